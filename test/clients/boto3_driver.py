"""One S3 operation by boto3. The access, the operation and its arguments come as JSON in the first argument;
contents are read from and written to files, other results are printed as JSON."""
import json
import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

request = json.loads(sys.argv[1])
access, operation, arguments = request["access"], request["operation"], request["arguments"]
bucket = access["bucket"]
s3 = boto3.client(
    "s3",
    endpoint_url=access.get("endpoint"),
    verify=access["caFile"],
    region_name=access["region"],
    aws_access_key_id=access["accessKeyId"],
    aws_secret_access_key=access["secretAccessKey"],
    config=Config(
        s3={"addressing_style": access.get("addressing", "path")},
        signature_version="s3v4",
        retries={"total_max_attempts": 1},
    ),
)


def put(key, file):
    with open(file, "rb") as content:
        s3.put_object(Bucket=bucket, Key=key, Body=content)


def put_in_parts(key, file):
    parts = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    s3.upload_file(file, bucket, key, Config=parts)


def get(key, file, **options):
    with open(file, "wb") as content:
        content.write(s3.get_object(Bucket=bucket, Key=key, **options)["Body"].read())


def get_range(key, file, first, last):
    get(key, file, Range=f"bytes={first}-{last}")


def size(key):
    return s3.head_object(Bucket=bucket, Key=key)["ContentLength"]


def copy(source, key):
    s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": source})


def list_keys(prefix):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def presign(key):
    return s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})


def delete(key):
    s3.delete_object(Bucket=bucket, Key=key)


operations = (put, put_in_parts, get, get_range, size, copy, list_keys, presign, delete)
print(json.dumps({function.__name__: function for function in operations}[operation](**arguments)))

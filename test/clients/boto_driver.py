"""One S3 operation by boto, the library before boto3, which signs with Signature Version 2. The access, the operation and its
arguments come as JSON in the first argument; contents are read from and written to files, other results are printed as JSON."""
import json
import math
import sys
import urllib.parse
from io import BytesIO

import boto
from boto.s3.connection import OrdinaryCallingFormat, S3Connection

request = json.loads(sys.argv[1])
access, operation, arguments = request["access"], request["operation"], request["arguments"]
boto.config.add_section("Boto")
boto.config.set("Boto", "ca_certificates_file", access["caFile"])
boto.config.set("Boto", "num_retries", "0")
url = urllib.parse.urlsplit(access["endpoint"])
connection = S3Connection(
    access["accessKeyId"],
    access["secretAccessKey"],
    host=url.hostname,
    port=url.port,
    calling_format=OrdinaryCallingFormat(),
    validate_certs=True,
)
bucket = connection.get_bucket(access["bucket"], validate=False)
PART = 5 << 20


def put(key, file):
    bucket.new_key(key).set_contents_from_filename(file)


def put_in_parts(key, file):
    with open(file, "rb") as content:
        data = content.read()
    upload = bucket.initiate_multipart_upload(key)
    for number in range(math.ceil(len(data) / PART)):
        upload.upload_part_from_file(BytesIO(data[number * PART : (number + 1) * PART]), number + 1)
    upload.complete_upload()


def get(key, file, **headers):
    bucket.new_key(key).get_contents_to_filename(file, headers=headers)


def get_range(key, file, first, last):
    get(key, file, Range=f"bytes={first}-{last}")


def size(key):
    return bucket.get_key(key).size


def copy(source, key):
    bucket.copy_key(key, bucket.name, source)


def list_keys(prefix):
    return [entry.name for entry in bucket.list(prefix)]


def delete(key):
    bucket.delete_key(key)


operations = (put, put_in_parts, get, get_range, size, copy, list_keys, delete)
print(json.dumps({function.__name__: function for function in operations}[operation](**arguments)))

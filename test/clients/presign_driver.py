"""What one boto3 client signs in advance: a URL (generate_presigned_url) or a form (generate_presigned_post).
The access, the signature version, the method and its arguments come as JSON in the first argument; the result is JSON."""
import json
import sys

import boto3
from botocore.config import Config

request = json.loads(sys.argv[1])
access = request["access"]
s3 = boto3.client(
    "s3",
    endpoint_url=access["endpoint"],
    region_name=access["region"],
    aws_access_key_id=access["accessKeyId"],
    aws_secret_access_key=access["secretAccessKey"],
    aws_session_token=access.get("sessionToken"),
    config=Config(signature_version=request["signatureVersion"], s3={"addressing_style": "path"}),
)
print(json.dumps(getattr(s3, request["method"])(**request["arguments"])))

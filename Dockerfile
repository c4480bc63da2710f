# Two stages: the first has the compiler, the second what runs. Needs no root, no writable file system, no shell.

# Whatever has Node.js 26, npm and a C library for both stages; no shell is needed in the second.
ARG BASE=node:26-slim

FROM ${BASE} AS build
WORKDIR /app
# Dependencies first: this layer stays while they do. `node` among the devDependencies fetches a runtime for machines
# with an older one; its install script must run, because npm puts that runtime first in PATH of every script.
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM ${BASE}
LABEL org.opencontainers.image.title="s3-kms-gateway" \
      org.opencontainers.image.description="A streaming S3 reverse proxy that makes sure what is stored is encrypted under the right KMS key" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production
# Streamed bodies are garbage as soon as they have passed. A small young generation and few malloc arenas make it be
# collected before it piles up: a third less memory under load. The memory test runs with these settings.
# And SIGUSR1 opens no debugger, which could read every secret.
ENV NODE_OPTIONS="--max-semi-space-size=8 --disable-sigusr1"
ENV MALLOC_ARENA_MAX=2
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY LICENSE ./
# Owned by root and run by nobody in particular: the gateway cannot change its own code.
USER 65532:65532
# Clients over TLS; admin (metrics and health). What is listened on is the configuration's affair.
EXPOSE 8443 9090
# For Docker alone; Kubernetes has probes. Set ADMIN_PORT where admin.address names another port.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.ADMIN_PORT || 9090) + '/livez').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/main.js"]
CMD ["serve", "--config", "/etc/s3-kms-gateway/gateway.yaml"]

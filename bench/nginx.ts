// nginx's two parts: the backend that stands in for S3, and the pass-through that is the cheapest baseline.

/** Where things are. */
export interface NginxOptions {
  readonly folder: string;
  readonly port: number;
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** The KMS key that the backend confirms, and that the gateway's rules demand. */
export const KEY_ID = 'arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';

function common({ folder }: NginxOptions, http: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/nginx-${kind};`)
    .join(' ');
  return `
daemon off;
master_process off;
error_log stderr error;
pid ${folder}/nginx-${Math.random().toString(36).slice(2)}.pid;
events { worker_connections 4096; }
http {
  access_log off;
  ${temporary}
  default_type application/octet-stream;
  keepalive_requests 100000000;
  keepalive_timeout 300s;
  client_max_body_size 0;
  tcp_nodelay on;
  ssl_protocols TLSv1.3;
  ssl_session_tickets off;
${http}
}`;
}

/**
 * Answers GET with the object `small` (1 KiB) or `large` (64 MiB) by the key's first segment. Reads the body of a PUT to
 * its end (large ones through a file that `folder` should hold in memory), throws it away, and answers as S3 does.
 */
export function backendConfiguration(options: NginxOptions): string {
  const { folder, port, certificateFile, keyFile } = options;
  const s3Headers = `
      add_header x-amz-id-2 "eftixk72aD6Ap51TnqcoF8eFidJG9Z/2mkiDFu8yU9AS1ed4OpIszj7UDNEHGran";
      add_header x-amz-request-id "318BC8BC148832E5";
      add_header x-amz-server-side-encryption "aws:kms";
      add_header x-amz-server-side-encryption-aws-kms-key-id "${KEY_ID}";`;
  return common(
    options,
    `
  open_file_cache max=16 inactive=1h;
  open_file_cache_valid 1h;
  upstream sink { server unix:${folder}/sink.socket; keepalive 256; }
  server {
    listen 127.0.0.1:${port} ssl backlog=4096;
    ssl_certificate ${certificateFile};
    ssl_certificate_key ${keyFile};
    location ~ "^/[^/]+/(small|large)/" {
      if ($request_method = PUT) { rewrite ^ /sink last; }${s3Headers}
      root ${folder}/objects;
      try_files /$1 =404;
    }
    location = /sink {
      internal;
      client_body_buffer_size 64k;
      proxy_pass http://sink;
      proxy_http_version 1.1;
      proxy_pass_request_headers off;
      proxy_pass_request_body off;
      proxy_method GET;
      proxy_set_header Connection "";
      proxy_set_header Content-Length "";
    }
  }
  server {
    listen unix:${folder}/sink.socket;
    location / {${s3Headers}
      add_header ETag '"9bb58f26192e4ba00f01e2e7b136bbd8"';
      return 200;
    }
  }`,
  );
}

/** Passes everything on: no signatures, no policy, no log. */
export function passThroughConfiguration(options: NginxOptions, backendPort: number): string {
  const { port, certificateFile, keyFile } = options;
  return common(
    options,
    `
  upstream backend { server 127.0.0.1:${backendPort}; keepalive 256; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port} ssl backlog=4096;
    ssl_certificate ${certificateFile};
    ssl_certificate_key ${keyFile};
    location / {
      proxy_pass https://backend;
      proxy_http_version 1.1;
      proxy_ssl_protocols TLSv1.3;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
      proxy_request_buffering off;
      proxy_buffers 8 64k;
      proxy_buffer_size 64k;
      proxy_busy_buffers_size 128k;
      proxy_max_temp_file_size 0;
    }
  }`,
  );
}

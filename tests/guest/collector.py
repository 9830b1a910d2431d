"""Run in a guest: an OTLP/HTTP receiver on 127.0.0.1:4318 that prints the records it decodes. A path /refuse is 401."""

import gzip
import http.server
import sys

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        refused = self.path.startswith("/refuse")
        if not refused:
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            for group in logs.ExportLogsServiceRequest.FromString(body).resource_logs:
                host = {each.key: each.value.string_value for each in group.resource.attributes}["host.name"]
                for record in (record for scope in group.scope_logs for record in scope.log_records):
                    found = {each.key: each.value.string_value for each in record.attributes}
                    print(f"otlp: {host} {record.event_name} {found['process.executable.name']}", flush=True)
        self.send_response(401 if refused else 200)
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 4318), Handler)
    print("otlp: listening", file=sys.stderr)
    server.serve_forever()

"""Serves a page with PouchDB, and beside it, on the same origin, a node's database: pages of other origins are refused there, as they have to be.

Prints what the page reports, one line of JSON.
"""

import http.server
import json
import pathlib
import sys
import urllib.error
import urllib.request

PAGE = """<!doctype html><script src="/pouchdb.js"></script><script>
const there = location.origin + "/couch/notes";
const copied = (from, to) => new Promise((done, failed) => PouchDB.replicate(from, to, { complete: (error, result) => error ? failed(error) : done(result) }));
(async () => {
    let told;
    try {
        const here = new PouchDB("here");
        for (let number = 0; number < 20; number++) await here.put({ _id: "page-" + number, text: "by a page" });
        await here.put({ _id: "shared", text: "by a page" });
        const pulled = await copied(there, "here");
        const pushed = await copied("here", there);
        const gone = await here.get("gone");
        await here.remove(gone);
        await copied("here", there);
        const shared = await here.get("shared", { conflicts: true });
        told = {
            version: PouchDB.version, pulled: pulled.docs_written, pushed: pushed.docs_written, count: (await here.info()).doc_count,
            revisions: [shared._rev, ...(shared._conflicts || [])].sort(),
        };
    } catch (error) { told = { error: String(error), details: JSON.stringify(error) }; }
    await fetch("/result", { method: "POST", body: JSON.stringify(told) });
})();
</script>"""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/":
            self.answer(200, PAGE.encode(), "text/html")
        elif self.path == "/pouchdb.js":
            self.answer(200, pathlib.Path(sys.argv[2]).read_bytes(), "text/javascript")
        elif self.path == "/result":
            print(json.dumps(json.loads(body)), flush=True)
            self.answer(200, b"")
        elif self.path.startswith("/couch/"):
            self.pass_on(body)
        else:
            self.answer(404, b"")

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any

    def pass_on(self, body):
        fields = {"Content-Type": "application/json", "Accept": "application/json"}
        asked = urllib.request.Request(sys.argv[1] + self.path.removeprefix("/couch"), body or None, fields, method=self.command)
        try:
            answer = urllib.request.urlopen(asked, timeout=40)
        except urllib.error.HTTPError as error:
            answer = error
        self.answer(answer.status, answer.read(), answer.headers.get("Content-Type"))

    def answer(self, status, body, kind="text/plain"):
        self.send_response(status)
        self.send_header("Content-Type", kind or "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler)
print("ready", flush=True)
server.serve_forever()

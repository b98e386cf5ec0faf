import Foundation
import HTTPTypes
import NIOCore
import P2P
import P2PHTTP
import P2PHTTP2

/// Prints a line at once, into a pipe, too.
func show(_ line: String) { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }

let arguments = Array(CommandLine.arguments.dropFirst())
let host = try await PeerHost.standard()
let responder = RouterForPeers(Guestbook().router.buildResponder())
try host.serve(HTTPService(responder))
try host.serve(HTTP2Service(responder))
// The same for programs that know nothing of peers, through `p2p tunnel forward`.
try host.serve(HTTP2Service(responder, protocolID: "/x/guestbook"))
try await host.running { host in
    if let address = arguments.first {
        let connection = try await host.connect(to: Multiaddr(address))
        if arguments.count > 1 {
            let body = try JSONEncoder().encode(["text": arguments[1]])
            let request = HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/entries")
            show("\(try await connection.http(request, .bytes(ByteBuffer(bytes: body))).head.status)")
        }
        let answer = try await connection.http(HTTPRequest(method: .get, scheme: nil, authority: nil, path: "/entries"))
        show(String(buffer: try await answer.body.collect(upTo: 2_000_000)))
        // Many at once, on one stream.
        let http = try await HTTP2Connection.open(on: connection)
        let answers = try await withThrowingTaskGroup(of: String.self) { group in
            for path in (0..<50).map({ $0 % 2 == 0 ? "/entries" : "/none" }) {
                group.addTask {
                    let answer = try await http.http(HTTPRequest(method: .get, scheme: nil, authority: nil, path: path))
                    _ = try await answer.body.collect(upTo: 2_000_000)
                    return "\(answer.head.status.code)"
                }
            }
            var answers: [String] = []
            for try await answer in group { answers.append(answer) }
            return answers
        }
        show("over HTTP/2: \(answers.sorted().joined(separator: " "))")
        http.close()
    } else {
        // The same routes for this machine's browser.
        let port = try await HTTPLocalPort.bind(.ip(host: "127.0.0.1", port: 0), responder, as: host.peerID)
        show("http://\(port.endpoint)/entries")
        show("swift run Guestbook \(try await host.listen(on: "/ip4/127.0.0.1/tcp/0")[0]) 'a text'")
        await port.run()
    }
}

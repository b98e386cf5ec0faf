import NIOCore
import P2P

/// Sends back the bytes of web pages' WebSockets at one path; leaves the others to libp2p.
struct WebEcho: WebHandler {
    let path: String

    func reply(to request: WebRequest) async -> WebReply? {
        guard request.path == self.path, request.wantsWebSocket else { return nil }
        return .webSocket { stream in
            for try await bytes in stream.inbound { try await stream.outbound.write(bytes) }
        }
    }
}

import NIOCore
import P2PHTTPHead
import P2PMultiformats
import P2PPipeline

/// HTTP CONNECT (RFC 9110, section 9.3.6).
struct ConnectDialogue {
    private let target: ProxyTarget
    private let credentials: ProxyURL.Credentials?
    private var reader = HTTPResponseReader()

    init(_ target: ProxyTarget, credentials: ProxyURL.Credentials?) {
        self.target = target
        self.credentials = credentials
    }

    var opening: ByteBuffer {
        var text = "CONNECT \(self.target.authority) HTTP/1.1\r\nHost: \(self.target.authority)\r\n"
        if let credentials {
            let basic = Multibase.encode(Array("\(credentials.user):\(credentials.password)".utf8), as: .base64pad).dropFirst()
            text += "Proxy-Authorization: Basic \(basic)\r\n"
        }
        return ByteBuffer(string: text + "\r\n")
    }

    mutating func received(_ bytes: inout ByteBuffer) throws(ProxyError) -> DialogueStep {
        let head: HTTPHead?
        do throws(HTTPHeadError) {
            head = try self.reader.received(&bytes)
        } catch {
            throw .broken(error.message)
        }
        guard let head else { return .more }
        switch head.status {
        case .some(200..<300): return .done
        case .some(407): throw .refused("it wants to know who we are: \(HTTPHead.excerpt(head.startLine))")
        case .some: throw .refused("it answered \(HTTPHead.excerpt(head.startLine))")
        case nil: throw .broken("its answer is not HTTP: \(HTTPHead.excerpt(head.startLine))")
        }
    }
}

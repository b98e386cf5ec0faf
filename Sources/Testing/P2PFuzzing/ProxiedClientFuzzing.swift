import NIOCore
import P2PHTTPHead
import P2PMultiaddr
import P2PTCP
import P2PWebSocket

/// Proxies that are believed: whatever they say, it is a client or a reason, and takes no byte that is the client's.
enum ProxiedClientFuzzing {
    private static let proxies = ["10.0.0.0/8", "2001:db8::/32"].compactMap { IPNetwork($0) }

    /// The first byte says where it stands: in front of a connection, or in a field of a request.
    static func run(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        if input.byte() & 1 == 0 { self.header(input.remainder()) } else { self.forwarded(input.remainder()) }
    }

    private static func header(_ bytes: [UInt8]) {
        let whole = self.read(bytes)
        guard case .header(let header, let length) = whole else { return }
        precondition(length <= bytes.count && length <= max(ProxyHeader.maximumText, ProxyHeader.maximumBinary))
        if case .client(let ip, _) = header {
            precondition(!ip.isUnspecified && !ip.isMulticast && ip == ip.unmapped, "nobody connects from there")
        }
        // It is the same header however much of the connection has come, and none before it is complete.
        precondition(self.read(Array(bytes.prefix(length))) == whole && self.read(bytes + [0]) == whole)
        for cut in [0, 1, length / 2, length - 1] where cut < length {
            precondition(self.read(Array(bytes.prefix(cut))) == .more, "\(cut) bytes of a header of \(length) are not the beginning of one")
        }
    }

    private static func read(_ bytes: [UInt8]) -> ProxyHeader.Reading? { try? ProxyHeader.read(ByteBuffer(bytes: bytes)) }

    private static func forwarded(_ bytes: [UInt8]) {
        var head = ByteBuffer(string: "GET / HTTP/1.1\r\nX-Forwarded-For: ")
        head.writeBytes(bytes)
        head.writeString("\r\n\r\n")
        var reader = HTTPHeadReader()
        guard let read = try? reader.received(&head) else { return }
        precondition(ForwardedClient.address(in: read, from: IPAddress(v4: 0x0101_0101), trusting: self.proxies) == nil)
        let client = ForwardedClient.address(in: read, from: IPAddress(v4: 0x0a00_0001), trusting: self.proxies)
        precondition(client.map { !$0.isUnspecified && !$0.isMulticast && $0 == $0.unmapped } ?? true)
    }

    /// Headers of both versions, and a field.
    static let seeds: [[UInt8]] = {
        func binary(_ head: [UInt8], _ block: [UInt8]) -> [UInt8] {
            [0, 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a] + head + block
        }
        let four: [UInt8] = [192, 0, 2, 7, 10, 0, 0, 1, 0xd4, 0x31, 0x0f, 0xa1]
        return [
            [0] + Array("PROXY TCP4 192.0.2.7 10.0.0.1 54321 4001\r\nabc".utf8), [0] + Array("PROXY TCP6 2001:db9::1 ::1 1 2\r\n".utf8),
            [0] + Array("PROXY UNKNOWN\r\n".utf8), binary([0x21, 0x11, 0, 12], four + [1, 2, 3]),
            binary([0x21, 0x11, 0, 18], four + [4, 0, 3, 9, 9, 9]), binary([0x20, 0, 0, 0], []),
            binary([0x21, 0x21, 0, 36], [UInt8](1...36)), [1] + Array("1.1.1.1, 192.0.2.7, 10.1.1.1".utf8),
            [1] + Array("[2001:db9::1]:443, unknown".utf8),
        ]
    }()
}

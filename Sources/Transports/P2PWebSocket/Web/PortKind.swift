import NIOCore
import P2PCore
import P2PHTTPHead

/// What the first bytes of a connection say it is.
enum PortKind: Equatable {
    /// multistream-select: raw libp2p.
    case libp2p
    case tls
    case http(HTTPHead)
}

/// Tells what a connection is by its first bytes: a value without I/O.
struct PortClassifier {
    private static let multistream = Array("\u{13}/multistream/".utf8)
    /// A handshake record of TLS 1.x.
    private static let tls: [UInt8] = [0x16, 0x03]

    private let kinds: PortKinds
    private var head = HTTPHeadReader()
    private var first: [UInt8] = []
    private var isHTTP = false

    init(_ kinds: PortKinds) {
        self.kinds = kinds
    }

    /// Looks at further bytes; nil while they could still be several things.
    mutating func received(_ bytes: ByteBuffer) throws(WebSocketError) -> PortKind? {
        var bytes = bytes
        while !self.isHTTP {
            guard let byte = bytes.readInteger(as: UInt8.self) else { return nil }
            self.first.append(byte)
            if self.kinds.contains(.libp2p), Self.multistream.starts(with: self.first) {
                if self.first.count == Self.multistream.count { return .libp2p }
            } else if self.kinds.contains(.tls), Self.tls.starts(with: self.first) {
                if self.first.count == Self.tls.count { return .tls }
            } else if self.kinds.contains(.http), self.first.count == 1, (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) {
                self.isHTTP = true
                var buffer = ByteBuffer(bytes: self.first)
                if let head = try self.head.next(from: &buffer) { return .http(head) }
            } else {
                throw WebSocketError(.malformedHead, "the first bytes are of no protocol that is spoken here")
            }
        }
        return try self.head.next(from: &bytes).map { .http($0) }
    }
}

/// What a port speaks.
struct PortKinds: OptionSet, Sendable {
    let rawValue: UInt8

    static let libp2p = Self(rawValue: 1)
    static let tls = Self(rawValue: 2)
    static let http = Self(rawValue: 4)
}

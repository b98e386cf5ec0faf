import NIOCore

/// What a dialer asks for on `/p2p-tunnel/1`, its first message.
struct TunnelOpen: Sendable, Hashable {
    /// The longest message, in bytes.
    static let maximumSize = 1_024

    /// What it asks for; the numbers of the wire.
    enum Network: UInt64, Sendable {
        case tcp = 1
        case udp = 2
        case unix = 3
        /// A service by its name, whose bytes follow.
        case service = 4
    }

    /// Nil for one that is not known here.
    var network: Network?
    /// A name or an address; a path for unix.
    var host = ""
    var port: UInt16 = 0
    /// A service's name; with the network udp, one of datagrams.
    var name = ""
    /// Have it end after so many seconds without a byte; 0 leaves that to the other side.
    var idleSeconds: UInt32 = 0
    /// Whether QUIC's datagrams may carry it, too.
    var datagrams = false

    init(_ network: Network, host: String = "", port: UInt16 = 0, name: String = "", idleSeconds: UInt32 = 0) {
        (self.network, self.host, self.port, self.name, self.idleSeconds) = (network, host, port, name, idleSeconds)
    }

    /// Reads a message; unknown fields are skipped.
    init(_ message: ByteBuffer) throws(TunnelFields.Malformed) {
        var fields = TunnelFields(message)
        while let (number, value) = try fields.next() {
            switch (number, value) {
            case (1, .number(let number)): self.network = Network(rawValue: number)
            case (2, .bytes(let bytes)): self.host = try Self.text(bytes)
            case (3, .number(let number)):
                guard let port = UInt16(exactly: number) else { throw TunnelFields.Malformed() }
                self.port = port
            case (4, .bytes(let bytes)): self.name = try Self.text(bytes)
            case (5, .number(let number)): self.idleSeconds = UInt32(clamping: number)
            case (6, .number(let number)): self.datagrams = number != 0
            case (1...6, _): throw TunnelFields.Malformed()
            default: break
            }
        }
    }

    private static func text(_ bytes: ByteBuffer) throws(TunnelFields.Malformed) -> String {
        guard let text = bytes.text(), text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else { throw TunnelFields.Malformed() }
        return text
    }

    var encoded: ByteBuffer {
        var message = ByteBuffer()
        message.writeField(1, self.network?.rawValue ?? 0)
        message.writeField(2, self.host)
        message.writeField(3, UInt64(self.port))
        message.writeField(4, self.name)
        message.writeField(5, UInt64(self.idleSeconds))
        message.writeField(6, self.datagrams ? 1 : 0)
        return message
    }
}

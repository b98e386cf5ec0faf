import NIOCore
import P2PCore
import P2PIdentity

extension TunnelService.Introduction {
    /// What the target is sent first; nil for nothing.
    func preface(for connection: ConnectionInfo) -> ByteBuffer? {
        switch self {
        case .none: nil
        case .line: ByteBuffer(string: "\(connection.remotePeer)\n")
        case .proxy: Self.proxyHeader(for: connection)
        }
    }

    /// The type of the TLV that holds the peer's id, of those that are free for applications (PROXY protocol, section 2.2).
    static let peerIDType: UInt8 = 0xe0

    /// Version 2, the command PROXY, no addresses that a program could take for its own network's: the peer's id is who comes.
    private static func proxyHeader(for connection: ConnectionInfo) -> ByteBuffer {
        let id = Array("\(connection.remotePeer)".utf8)
        var header = ByteBuffer(bytes: [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a])
        header.writeInteger(UInt8(0x21))
        // AF_UNSPEC, UNSPEC.
        header.writeInteger(UInt8(0x00))
        header.writeInteger(UInt16(id.count + 3))
        header.writeInteger(Self.peerIDType)
        header.writeInteger(UInt16(id.count))
        header.writeBytes(id)
        return header
    }
}

import NIOCore
import P2PMultiaddr

extension SocketAddress {
    /// Where the kernel's structures keep what we read, in bytes; the same on Linux and Darwin.
    private enum Offset {
        static let v4Address = 4..<8
        static let v6Address = 8..<24
        static let v6Scope = 24
    }

    /// The IP address of an internet socket; nil for other kinds.
    var ip: IPAddress? {
        switch self {
        case .v4(let v4): withUnsafeBytes(of: v4.address) { IPAddress(bytes: $0[Offset.v4Address]) }
        case .v6(let v6): withUnsafeBytes(of: v6.address) { IPAddress(bytes: $0[Offset.v6Address]) }
        case .unixDomainSocket: nil
        }
    }

    /// An address, on one interface where that matters.
    init(_ ip: IPAddress, port: UInt16, interface: Int) throws {
        let plain = try SocketAddress(packedIPAddress: ByteBuffer(bytes: ip.bytes), port: Int(port))
        guard case .v6(let v6) = plain, ip.isLinkLocal || ip.isMulticast else {
            self = plain
            return
        }
        var raw = v6.address
        withUnsafeMutableBytes(of: &raw) {
            $0.storeBytes(of: UInt32(truncatingIfNeeded: interface), toByteOffset: Offset.v6Scope, as: UInt32.self)
        }
        self = SocketAddress(raw, host: v6.host)
    }
}

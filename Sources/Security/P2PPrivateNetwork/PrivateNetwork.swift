package import NIOCore
package import P2PCore
import P2PPipeline

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#endif

/// A network for those alone who hold its key (libp2p specs, "Pre-shared Key Based Private Networks").
///
/// Lies below negotiation on every transport that carries bytes. It keeps outsiders out and proves nothing about members: that, and the
/// integrity of what is said, stay the business of the secure channel above it.
package struct PrivateNetwork: ConnectionProtector {
    /// The environment variable that forbids nodes on the public network when it is `1`; other libp2p implementations heed it, too.
    package static let variable = "LIBP2P_FORCE_PNET"

    /// Whether the environment forbids nodes on the public network.
    package static var isForced: Bool {
        getenv(Self.variable).map { String(cString: $0) } == "1"
    }

    /// What tells the network from others without giving its key away: 32 hexadecimal digits.
    package let fingerprint: String
    private let key: PreSharedKey

    /// The network of a key.
    ///
    /// - Throws: `.notBuiltIn` in a build without the package trait `Sodium`.
    package init(key: PreSharedKey) throws(PrivateNetworkError) {
        self.key = key
        self.fingerprint = try key.fingerprint()
    }

    /// Adds the handler that encrypts everything; see ``ConnectionProtector``. Both roles do the same.
    package func protect(_ channel: any Channel, role: ConnectionRole) throws {
        let pool = RecordPool.of(channel.eventLoop)
        let session = try PrivateNetworkSession(key: self.key, pool: pool)
        try channel.pipeline.syncOperations.addHandler(PrivateNetworkHandler(session: session, pool: pool))
    }
}

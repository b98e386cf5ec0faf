public import P2PAutoNAT
import P2PCore
import P2PHost
import P2PIdentity
import P2PMultiaddr
import P2PQUIC

extension AutoNATService {
    /// A server of AutoNAT that dials with a stack like a host's own: of these transports, secure channels and muxers, with limits of its own.
    ///
    /// - Parameter configuration: of the host that serves.
    public static func standard(_ configuration: StandardConfiguration = StandardConfiguration()) -> AutoNATService {
        AutoNATService { plan in try await SeparateDialer(configuration, gater: plan.gater) }
    }
}

/// A host that only dials, under an identity of this run; see ``DialBackDialer``.
final class SeparateDialer: DialBackDialer {
    private let host: PeerHost

    /// - Parameter gater: of the host that serves: whom that may not dial, this may not either.
    init(_ configuration: StandardConfiguration, gater: any ConnectionGater) async throws {
        var configuration = configuration
        configuration.peerstore = nil
        configuration.appMetadata = []
        configuration.gater = gater
        configuration.host.shutdownGrace = .zero
        self.host = try await PeerHost.standard(configuration: configuration, modules: [])
    }

    func canDial(_ address: Multiaddr) -> Bool {
        guard let ip = address.ipAddress, ip.isIPv4 || Self.hasIPv6 else { return false }
        let protocols = address.components.dropFirst(2).map(\.protocol)
        if address.udpEndpoint != nil { return QUICTransport.isBuiltIn && protocols == [.quicV1] }
        return address.tcpEndpoint != nil && (protocols.isEmpty || protocols == [.ws])
    }

    private static var hasIPv6: Bool {
        LocalNetworks.current().links.contains { $0.prefixes.contains { $0.address.isIPv6 && $0.address.isPublic } }
    }

    func dial(_ peer: PeerID, at addresses: [Multiaddr], within timeout: Duration) async throws(DialError) -> PeerConnection {
        try await self.host.connect(
            to: peer, DialRequest(addresses: addresses, timeout: timeout, allowsLimited: false, forcesNew: true))
    }

    func run() async throws {
        try await self.host.run()
    }
}

public import P2PCore

/// QUIC for a host's list.
///
/// In a private network, and where nothing may go around a proxy, its addresses fail and say so, as they do where QUIC is not built in. Where a proxy
/// governs dials alone, it listens, and dials what is excepted from the proxy.
public struct QUIC: HostModule {
    /// Whether QUIC was built in (the package trait QUIC); without it every dial and listen fails and names the trait.
    public static var isBuiltIn: Bool { QUICTransport.isBuiltIn }

    /// Limits and times.
    public var configuration: QUICConfiguration

    /// By default as ``QUICConfiguration`` says.
    public init(_ configuration: QUICConfiguration = QUICConfiguration()) {
        self.configuration = configuration
    }

    /// Adds the transport.
    ///
    /// - Throws: ``TransportError/Code/securityFailed`` when the identity does not sign.
    public func join(_ plan: inout HostPlan) async throws {
        if let reason = Self.reasonAgainst(plan.surroundings) {
            plan.transports.append(QUICTransport.refusing(because: reason))
            return
        }
        var configuration = self.configuration
        configuration.handshakeTimeout = min(configuration.handshakeTimeout, plan.handshakeTimeout)
        let transport = try await QUICTransport.make(
            identity: plan.identity, metadata: plan.appMetadata, configuration: configuration, windowBudget: plan.windowBudget,
            group: plan.group, logger: plan.logger)
        plan.transports.append(Self.restricted(transport, in: plan))
    }

    private static func reasonAgainst(_ surroundings: HostSurroundings) -> String? {
        if surroundings.privateNetwork != nil {
            "QUIC has no room for a private network's key; use TCP, or leave the key out"
        } else if surroundings.isProxied, surroundings.isConfined {
            "QUIC can't go through \(surroundings.proxyName), and nothing is to go around it; use TCP or WebSocket"
        } else {
            nil
        }
    }

    private static func restricted(_ transport: QUICTransport, in plan: HostPlan) -> QUICTransport {
        guard plan.surroundings.isProxied else { return transport }
        let direct = plan[DirectDials.self]
        return transport.dialing(
            only: { direct?.allows($0) ?? false },
            because: "QUIC can't go through \(plan.surroundings.proxyName), which does not except it; use TCP or WebSocket")
    }
}

public import P2PCore

/// A secure channel as an application names it, as a value: made once for each host, whose identity it needs.
public protocol SecureChannelModule: Sendable {
    /// What multistream-select calls it, such as `/noise`.
    var protocolID: ProtocolID { get }
    /// It proves nothing, so it must be a host's only one: beside others, whoever is in the middle would choose it.
    var isInsecure: Bool { get }
    /// Makes the channel for the host that is planned, and adds to the plan what it needs beyond that, such as a task that renews a
    /// certificate.
    ///
    /// - Throws: ``TransportError/Code/securityFailed`` when the identity does not sign.
    func makeChannel(_ plan: inout HostPlan) async throws(TransportError) -> any SecureChannel
}

extension SecureChannelModule {
    /// It proves who is there.
    public var isInsecure: Bool { false }
}

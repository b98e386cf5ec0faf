public import P2PCore
import P2PIdentity
public import P2PPipeline

/// No security at all, `/plaintext/2.0.0`, for tests and debugging. It must be a host's only secure channel.
public struct InsecurePlaintext: SecureChannelModule {
    /// It has nothing to configure.
    public init() {}

    /// What multistream-select calls it.
    public var protocolID: ProtocolID { PlaintextSecurity.protocolID }
    /// It proves nothing.
    public var isInsecure: Bool { true }

    /// Signs nothing.
    public func makeChannel(_ plan: inout HostPlan) async throws(TransportError) -> any SecureChannel {
        PlaintextSecurity(insecurelyClaiming: plan.identity.publicKey)
    }
}

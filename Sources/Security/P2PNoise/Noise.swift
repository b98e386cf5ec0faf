public import P2PCore
public import P2PPipeline

/// The secure channel `/noise` for a host's list.
public struct Noise: SecureChannelModule {
    /// It has nothing to configure.
    public init() {}

    /// What multistream-select calls it.
    public var protocolID: ProtocolID { NoiseSecurity.protocolID }

    /// Makes the static key of the host and has it signed.
    public func makeChannel(_ plan: inout HostPlan) async throws(TransportError) -> any SecureChannel {
        try await NoiseSecurity.make(identity: plan.identity, metadata: plan.appMetadata)
    }
}

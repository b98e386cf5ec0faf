public import P2PCore
public import P2PPipeline

/// The secure channel `/tls/1.0.0` for a host's list.
public struct TLS: SecureChannelModule {
    /// It has nothing to configure.
    public init() {}

    /// What multistream-select calls it.
    public var protocolID: ProtocolID { TLSSecurity.protocolID }

    /// Makes the certificate of the host and has it signed.
    public func makeChannel(_ plan: inout HostPlan) async throws(TransportError) -> any SecureChannel {
        try await TLSSecurity.make(identity: plan.identity, metadata: plan.appMetadata)
    }
}

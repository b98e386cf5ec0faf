public import P2PCore
public import P2PPipeline

/// The secure channel `/tls/1.0.0` for a host's list. Its certificate is renewed while the host runs.
public struct TLS: SecureChannelModule {
    /// It has nothing to configure.
    public init() {}

    /// What multistream-select calls it.
    public var protocolID: ProtocolID { TLSSecurity.protocolID }

    /// Makes the certificate of the host and has it signed.
    public func makeChannel(_ plan: inout HostPlan) async throws(TransportError) -> any SecureChannel {
        let channel = try await TLSSecurity.make(identity: plan.identity, metadata: plan.appMetadata)
        plan.services.append(HostService("TLS certificate") { _ in await channel.keepFresh() })
        return channel
    }
}

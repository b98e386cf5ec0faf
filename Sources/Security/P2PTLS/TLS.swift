public import P2PCore
public import P2PPipeline

/// The secure channel `/tls/1.0.0` for a host's list.
public struct TLS: SecureChannelModule {
    static let id: ProtocolID = "/tls/1.0.0"

    /// Whether it was built in (the package trait TLS, which is on by default); without it no host can be made with it, and the error names the trait.
    public static var isBuiltIn: Bool {
        #if TLS
            true
        #else
            false
        #endif
    }

    /// It has nothing to configure.
    public init() {}

    /// What multistream-select calls it.
    public var protocolID: ProtocolID { Self.id }

    /// Makes the certificate of the host and has it signed.
    public func makeChannel(_ plan: inout HostPlan) async throws(TransportError) -> any SecureChannel {
        #if TLS
            try await TLSSecurity.make(identity: plan.identity, metadata: plan.appMetadata)
        #else
            throw TransportError(.notBuiltIn, "TLS is not built in; build with the package trait TLS (on by default, or Full)")
        #endif
    }
}

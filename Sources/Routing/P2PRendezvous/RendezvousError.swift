public import P2PCore

/// Why a rendezvous point was of no use.
public typealias RendezvousError = CodedFailure<Rendezvous>

extension RendezvousError.Code {
    /// The rendezvous point refuses; the message says with which status.
    public static var refused: Self { Self("refused") }
    /// The rendezvous point was not reached, or did not answer as it should.
    public static var unreachable: Self { Self("unreachable") }
    /// The peer is no rendezvous point.
    public static var protocolNotSupported: Self { Self("protocolNotSupported") }
    /// The namespace is empty or longer than 255 bytes.
    public static var invalidNamespace: Self { Self("invalidNamespace") }
    /// This node has no address that the rendezvous point could be told.
    public static var noAddresses: Self { Self("noAddresses") }
}

public import P2PCore

/// A host was used in a way that it can't follow.
public typealias HostError = CodedFailure<PeerHost>

extension HostError.Code {
    /// ``PeerHost/run()`` was called before.
    public static var alreadyRun: Self { Self("alreadyRun") }
    /// Another handler serves the protocol.
    public static var protocolTaken: Self { Self("protocolTaken") }
    /// The handler names no protocol, or one that multistream-select cannot carry, such as its own words `na` and `ls`.
    public static var invalidProtocol: Self { Self("invalidProtocol") }
    /// As many peers are to stay connected as a host keeps; the message names the limit.
    public static var tooManyKept: Self { Self("tooManyKept") }
}

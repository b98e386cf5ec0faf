public import P2PCore

/// Why a private network's key is no good, or a connection does not belong to the network.
public typealias PrivateNetworkError = CodedFailure<PreSharedKey>

extension PrivateNetworkError.Code {
    /// What should be a key, or a file with one, isn't.
    public static var malformedKey: Self { Self("malformedKey") }
    /// The peer ended the connection before it had sent its nonce, or anything behind it.
    public static var nonceMissing: Self { Self("nonceMissing") }
    /// The peer sent our own nonce back, so it shows no key of its own.
    public static var nonceReflected: Self { Self("nonceReflected") }
    /// What the peer sent makes no sense under this network's key: it has another one, or none.
    public static var keyMismatch: Self { Self("keyMismatch") }
    /// One direction has carried as much as its key stream is counted for.
    public static var keyStreamExhausted: Self { Self("keyStreamExhausted") }
    /// This build leaves private networks out; the message names the package trait that brings them in.
    public static var notBuiltIn: Self { Self("notBuiltIn") }
    /// The crypto library failed for a reason of its own.
    public static var libraryFailure: Self { Self("libraryFailure") }
}

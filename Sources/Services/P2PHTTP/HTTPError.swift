public import P2PCore

/// What an error of HTTP over streams is about.
public enum HTTPOverStreams {}

/// Why an HTTP exchange over a stream failed.
public typealias HTTPError = CodedFailure<HTTPOverStreams>

extension HTTPError.Code {
    /// What the other side sent is no HTTP/1.1, or might be read in two ways.
    public static var malformed: Self { Self("malformed") }
    /// A head, a line of a chunk, or a body is longer than is accepted.
    public static var tooLarge: Self { Self("tooLarge") }
    /// The other side ended in the middle of a message.
    public static var unexpectedEnd: Self { Self("unexpectedEnd") }
    /// The other side said nothing for too long.
    public static var timedOut: Self { Self("timedOut") }
    /// The stream was reset or lost, or there is none.
    public static var broken: Self { Self("broken") }
    /// The peer serves no HTTP, or not to this node.
    public static var unsupported: Self { Self("unsupported") }
    /// The peer does not serve the protocol that was asked for.
    public static var notServed: Self { Self("notServed") }
    /// A request that can't be sent as it is.
    public static var badRequest: Self { Self("badRequest") }
    /// Two tasks read one body.
    public static var busy: Self { Self("busy") }
}

extension HTTPError {
    init(_ error: StreamError) {
        switch error.code {
        case .protocolNotSupported, .gated: self.init(.unsupported, "the peer serves no HTTP, or not to this node", cause: error)
        case .timedOut: self.init(.timedOut, error.message, cause: error)
        default: self.init(.broken, "the stream was reset or lost", cause: error)
        }
    }
}

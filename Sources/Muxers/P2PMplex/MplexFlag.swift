/// What a frame is for, and from which side of its stream it comes (mplex spec, "Flag Values").
package enum MplexFlag: UInt8, CaseIterable, Sendable {
    /// Opens a stream; the body is its name.
    case newStream = 0
    /// Bytes from the side that was opened to.
    case messageReceiver = 1
    /// Bytes from the side that opened the stream.
    case messageInitiator = 2
    /// The end of one direction, from the side that was opened to.
    case closeReceiver = 3
    /// The end of one direction, from the side that opened the stream.
    case closeInitiator = 4
    /// The end of the stream at once, from the side that was opened to.
    case resetReceiver = 5
    /// The end of the stream at once, from the side that opened it.
    case resetInitiator = 6

    /// Whether the sender of the frame opened the stream.
    package var isFromInitiator: Bool {
        switch self {
        case .newStream, .messageInitiator, .closeInitiator, .resetInitiator: true
        case .messageReceiver, .closeReceiver, .resetReceiver: false
        }
    }

    /// Whether the spec gives the frame a body.
    package var hasBody: Bool {
        switch self {
        case .newStream, .messageReceiver, .messageInitiator: true
        case .closeReceiver, .closeInitiator, .resetReceiver, .resetInitiator: false
        }
    }
}

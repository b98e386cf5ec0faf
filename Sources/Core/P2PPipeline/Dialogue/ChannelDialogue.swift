package import NIOCore
package import P2PCore

/// What two ends say to each other on a channel before its bytes belong to somebody else, such as a WebSocket's opening handshake
/// or what is said to a proxy: a value without I/O.
package protocol ChannelDialogue {
    /// What this end begins with; nil when the other end does.
    var opening: ByteBuffer? { get }

    /// Takes what it needs of the peer's bytes, and not one of those behind. Called again after ``DialogueStep/send(_:)``.
    mutating func received(_ bytes: inout ByteBuffer) throws(TransportError) -> DialogueStep

    /// What it means to whoever waits that the channel did not live to see the dialogue's end.
    func failure(_ end: DialogueEnd) -> TransportError
}

/// What comes of a peer's bytes.
package enum DialogueStep: Equatable {
    /// They do not suffice.
    case more
    case send(ByteBuffer)
    /// From here on the bytes are somebody else's.
    case done
}

/// How a channel ended in the middle of a dialogue.
package enum DialogueEnd {
    /// The peer ended it.
    case closed
    /// This end took it down.
    case takenDown
    /// Something below failed.
    case broken(any Error)
}

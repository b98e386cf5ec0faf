/// Which side of a connection we are.
public enum ConnectionRole: String, Sendable, Hashable {
    /// We dialled: the initiator of every handshake.
    case dialer
    /// We were dialled: the responder.
    case listener
}

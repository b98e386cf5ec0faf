package import NIOCore
package import P2PCore

/// The driver of one connection: it does what the connection asks. On the event loop.
package protocol MuxerHandler: AnyObject {
    /// Streams have signalled work: write what they have.
    func drain()
    /// A callback that was scheduled for the connection is due.
    func tick()
    /// Our side closes: at once, or when the streams have ended or `grace` is over.
    func close(_ code: ConnectionErrorCode, grace: TimeAmount)
    /// The stream's number on the wire; nil before it has one and when it is over.
    func number(of stream: MuxedStream) -> UInt64?
    /// Asks the peer for a sign of life.
    func probe()
}

extension MuxerHandler {
    /// The protocol has no such question.
    package func probe() {}
}

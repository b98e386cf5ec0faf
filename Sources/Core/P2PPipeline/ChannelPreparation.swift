public import NIOCore

/// What a channel goes through before it carries the peer's bytes, such as a WebSocket handshake or a proxy's.
///
/// It belongs to the transport that made the channel, and runs within the deadline of the upgrade.
public protocol ChannelPreparation: Sendable {
    /// Adds its handlers at the end of the channel's pipeline and lets them talk. On the event loop.
    ///
    /// - Parameter promise: completed on the event loop *before* the first of the peer's own bytes is passed on, so that
    ///   whoever waits can install the next handler at once. Fails with a ``TransportError``.
    func prepare(_ channel: any Channel, promise: EventLoopPromise<Void>)
}

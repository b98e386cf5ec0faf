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

extension Channel {
    /// Goes through the preparations, one after the other, and then calls `next`, before the first of the peer's own bytes is passed on. On
    /// the event loop.
    package func prepare(_ preparations: ArraySlice<any ChannelPreparation>, next: @escaping (Result<Void, any Error>) -> Void) {
        guard let first = preparations.first else { return next(.success(())) }
        let promise = self.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { result in
            switch result {
            case .success: self.prepare(preparations.dropFirst(), next: next)
            case .failure: next(result)
            }
        }
        first.prepare(self, promise: promise)
    }
}

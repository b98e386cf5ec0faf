import NIOCore
package import P2PCore
import Synchronization

/// A local socket as a stream, for whoever speaks a protocol over streams and wants to speak it to a program of this machine.
package enum LocalStream {
    /// Connects to a target; the stream ends as the socket does.
    package static func connect(
        to target: TunnelEndpoint, _ configuration: TunnelConfiguration = TunnelConfiguration()
    ) async throws(TunnelError) -> PeerStream {
        let eventLoop = Tunnels.currentLoop
        let times = TunnelCourse.Times(idle: nil, halfClosedIdle: TimeAmount(configuration.halfClosedIdle))
        let socket = try await TunnelDialer(connectTimeout: configuration.connectTimeout).connect(
            to: target, times: times, on: eventLoop, deadline: .now().advanced(by: configuration.openTimeout))
        let (near, far) = LocalWire.pair(on: eventLoop)
        // It ends by itself, with either end.
        socket.pump.attach(far, TunnelTraffic()).whenSuccess { ending in
            if ending == .abandoned { Task { await TunnelPump.letGo(far, within: times.halfClosedIdle, on: eventLoop) } }
        }
        return near
    }
}

/// A local port, or a unix socket, whose connections come as streams.
package struct LocalPort: Sendable {
    /// Where it listens, with the port that the system chose.
    package let endpoint: TunnelEndpoint
    /// The connections. For one task; when it lets go of a stream, the connection ends.
    package let streams: AsyncStream<PeerStream>
    private let listener: TunnelListener

    /// Listens.
    ///
    /// - Parameter limit: connections that live at a time; more wait in the system's queue.
    /// - Throws: ``TunnelError/notBound``.
    package static func bind(
        _ endpoint: TunnelEndpoint, limit: Int, _ configuration: TunnelConfiguration = TunnelConfiguration()
    ) async throws(TunnelError) -> LocalPort {
        let times = TunnelCourse.Times(idle: nil, halfClosedIdle: TimeAmount(configuration.halfClosedIdle))
        // No more wait here than live, and those are bounded.
        let (streams, arrivals) = AsyncStream<PeerStream>.makeStream()
        let listener = try await TunnelListener.bind(endpoint, limit: limit, group: Tunnels.currentLoop) { channel in
            let eventLoop = channel.eventLoop
            let pump = TunnelPump(times: times, on: eventLoop)
            try channel.pipeline.syncOperations.addHandler(pump)
            let (near, far) = LocalWire.pair(on: eventLoop)
            pump.attach(far, TunnelTraffic()).whenSuccess { ending in
                if ending == .abandoned { Task { await TunnelPump.letGo(far, within: times.halfClosedIdle, on: eventLoop) } }
            }
            arrivals.yield(near)
        }
        listener.channel.closeFuture.whenComplete { _ in arrivals.finish() }
        return LocalPort(endpoint: listener.endpoint, streams: streams, listener: listener)
    }

    /// Accepts no more, which ends the streams' sequence.
    package func close() async { await self.listener.close() }
}

/// What a muxer is to streams: carries what one end of a pair has to the other, on an event loop.
private final class LocalWire: MuxedStreamOwner {
    private struct End {
        let stream: MuxedStream
        /// What this end may still send.
        var window = LocalWire.window
    }

    private static let window = 256 * 1_024
    private static let recordSize = 64 * 1_024

    private let ends = Mutex<[End]>([])
    private let eventLoop: any EventLoop

    private init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    static func pair(on eventLoop: any EventLoop) -> (PeerStream, PeerStream) {
        let wire = LocalWire(eventLoop)
        let streams = (0..<2).map { MuxedStream(slot: $0, owner: wire, creditThreshold: Self.window / 2) }
        wire.ends.withLock { $0 = streams.map { End(stream: $0) } }
        return (PeerStream(streams[0]), PeerStream(streams[1]))
    }

    func streamHasWork(_ stream: MuxedStream) {
        let slot = stream.slot
        self.eventLoop.execute { self.carry(from: slot) }
    }

    private func carry(from slot: Int) {
        let other = 1 - slot
        guard let (near, far) = self.ends.withLock({ $0.isEmpty ? nil : ($0[slot], $0[other]) }) else { return }
        var record = ByteBuffer()
        let drained = near.stream.copy(upTo: min(Self.recordSize, near.window), to: &record)
        if let code = drained.reset {
            far.stream.fail(StreamError(.reset, "the other end of the stream was reset", resetCode: code))
            // Nothing passes any more, and the ends hold the wire.
            self.ends.withLock { $0 = [] }
            return
        }
        if drained.credit > 0 { self.grant(drained.credit, to: other) }
        if drained.copied > 0 {
            self.ends.withLock { if !$0.isEmpty { $0[slot].window -= drained.copied } }
            let discarded = far.stream.receive(record)
            if discarded > 0 { self.grant(discarded, to: slot) }
        }
        if drained.finish {
            far.stream.receiveFinish()
            near.stream.finishLeft()
        }
        if near.stream.hasFinishLeft, far.stream.hasFinishLeft { return self.ends.withLock { $0 = [] } }
        if drained.copied > 0, drained.remaining > 0 { self.eventLoop.execute { self.carry(from: slot) } }
    }

    private func grant(_ credit: Int, to slot: Int) {
        self.ends.withLock { if !$0.isEmpty { $0[slot].window += credit } }
        self.eventLoop.execute { self.carry(from: slot) }
    }
}

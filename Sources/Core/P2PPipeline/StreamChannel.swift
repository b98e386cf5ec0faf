public import NIOCore
public import P2PCore
import Synchronization

/// A NIO channel over one stream, so that any codec, or a whole upgrade, runs on it.
///
/// It reads and writes the stream's buffer directly and is told of changes: no task per stream. The channel owns the
/// stream from now on; nobody else may read or write it.
///
/// - Writes complete when the stream has taken the bytes; while it is full they wait here and count towards the
///   channel's own water marks.
/// - `close(mode: .output)` half-closes, behind the flushed writes. `close()` half-closes too when every write was taken,
///   and stops reading; otherwise it resets the stream, so that the peer never takes a part for the whole. A TCP channel
///   does the same.
/// - The peer's half-close fires `ChannelEvent.inputClosed` with the option `allowRemoteHalfClosure`, else it closes.
/// - When the peer is gone, handlers hear the error and the channel closes; but where it had said its end, what it said is read first, and writes fail
///   meanwhile.
public final class StreamChannel: Channel, @unchecked Sendable {
    /// The stream that the channel reads and writes.
    public let stream: PeerStream
    /// The event loop on which the handlers of the channel run.
    public let eventLoop: any EventLoop
    /// NIO's default allocator, for handlers that need a buffer.
    public let allocator = ByteBufferAllocator()
    /// The address of this side of the connection; nil where it is not one of a socket.
    public let localAddress: SocketAddress?
    /// The address of the peer's side of the connection; nil where it is not one of a socket.
    public let remoteAddress: SocketAddress?
    /// None: the connection beneath is no channel.
    public var parent: (any Channel)? { nil }
    /// Succeeds when the channel is closed.
    public var closeFuture: EventLoopFuture<Void> { self.closePromise.futureResult }
    /// The handlers between the stream and the application.
    public var pipeline: ChannelPipeline { self.ownPipeline }
    /// From registration until the end of the stream.
    public var isActive: Bool { self.activeFlag.load(ordering: .acquiring) }
    /// Whether the stream takes more without holding a writer back.
    public var isWritable: Bool { self.writableFlag.load(ordering: .acquiring) }
    /// The channel itself, which is its own core.
    public var _channelCore: any ChannelCore { self }

    /// The largest buffer that one read delivers, in bytes.
    static let maximumRead = 256 * 1_024

    enum Lifecycle { case fresh, active, closed }
    enum Output { case open, closing, closed }

    private let closePromise: EventLoopPromise<Void>
    private var ownPipeline: ChannelPipeline!
    private let activeFlag = Atomic<Bool>(false)
    private let writableFlag = Atomic<Bool>(true)
    /// A look at the stream is queued on the event loop.
    private let isLookQueued = Atomic<Bool>(false)

    // What follows is confined to the event loop.
    var lifecycle = Lifecycle.fresh
    var output = Output.open
    var isInputClosed = false
    var isReadWanted = false
    var isDelivering = false
    var isFlushing = false
    var outputPromises: [EventLoopPromise<Void>] = []
    var writes = PendingWrites()
    var options = StreamChannelOptions()

    /// - Parameters:
    ///   - stream: nobody else reads or writes it from now on.
    ///   - eventLoop: where the pipeline runs; best the connection's own.
    public init(
        _ stream: PeerStream, on eventLoop: any EventLoop, autoRead: Bool = true, localAddress: SocketAddress? = nil,
        remoteAddress: SocketAddress? = nil
    ) {
        self.stream = stream
        self.eventLoop = eventLoop
        self.localAddress = localAddress
        self.remoteAddress = remoteAddress
        self.closePromise = eventLoop.makePromise(of: Void.self)
        self.options.autoRead = autoRead
        self.ownPipeline = ChannelPipeline(channel: self)
    }

    /// Makes the channel active: from now on it reads. Once, on the event loop, when its handlers are in place.
    public func activate() {
        self.eventLoop.preconditionInEventLoop()
        self.registerAlreadyConfigured0(promise: nil)
    }

    /// Tells of a new state that may be asked for from any thread.
    func publish(isActive: Bool) { self.activeFlag.store(isActive, ordering: .releasing) }

    /// - Returns: whether that is a change.
    func publish(isWritable: Bool) -> Bool {
        self.writableFlag.exchange(isWritable, ordering: .acquiringAndReleasing) != isWritable
    }

    func completeClose() {
        self.removeHandlers(pipeline: self.pipeline)
        self.closePromise.succeed()
    }

    /// Looks at the stream on a fresh turn of the event loop, once for many changes.
    func queueLook() {
        guard !self.isLookQueued.exchange(true, ordering: .acquiringAndReleasing) else { return }
        self.eventLoop.execute {
            self.isLookQueued.store(false, ordering: .releasing)
            self.look()
        }
    }
}

extension StreamChannel: MuxedStreamObserver {
    package func streamChanged() { self.queueLook() }
}

extension PeerStream {
    /// Mounts a NIO channel on the stream, and gives the stream up to it.
    ///
    /// - Parameters:
    ///   - eventLoop: where the pipeline runs; best the connection's own.
    ///   - initialize: adds handlers. On the event loop, before anything is read.
    public func mountChannel(
        on eventLoop: any EventLoop, _ initialize: @escaping @Sendable (any Channel) throws -> Void
    ) async throws -> StreamChannel {
        let channel = StreamChannel(self, on: eventLoop)
        try await eventLoop.submit {
            do {
                try initialize(channel)
            } catch {
                channel.close0(error: error, mode: .all, promise: nil)
                throw error
            }
            channel.activate()
        }.get()
        return channel
    }
}

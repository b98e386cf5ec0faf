import NIOCore
import Synchronization

/// A channel that delivers channels, as a listening socket does, but takes them from whoever has some.
final class ArrivalChannel: Channel, @unchecked Sendable {
    let eventLoop: any EventLoop
    let allocator = ByteBufferAllocator()
    let localAddress: SocketAddress? = nil
    let remoteAddress: SocketAddress? = nil
    let parent: (any Channel)? = nil
    let isWritable = false
    var isActive: Bool { self.active.load(ordering: .acquiring) }
    var closeFuture: EventLoopFuture<Void> { self.closePromise.futureResult }
    var pipeline: ChannelPipeline { self.ownPipeline }
    var _channelCore: any ChannelCore { self }

    private let active = Atomic<Bool>(true)
    private let closePromise: EventLoopPromise<Void>
    private var ownPipeline: ChannelPipeline!

    init(on eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        self.closePromise = eventLoop.makePromise(of: Void.self)
        self.ownPipeline = ChannelPipeline(channel: self)
    }

    /// Delivers a channel, which nobody has activated yet.
    func deliver(_ channel: any Channel) {
        self.eventLoop.execute {
            guard self.isActive else { return channel.close(promise: nil) }
            self.pipeline.fireChannelRead(channel)
            self.pipeline.fireChannelReadComplete()
        }
    }

    func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> EventLoopFuture<Void> {
        self.eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
    }

    func getOption<Option: ChannelOption>(_ option: Option) -> EventLoopFuture<Option.Value> {
        self.eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
    }
}

extension ArrivalChannel: ChannelCore {
    func localAddress0() throws -> SocketAddress { throw ChannelError.operationUnsupported }
    func remoteAddress0() throws -> SocketAddress { throw ChannelError.operationUnsupported }
    func register0(promise: EventLoopPromise<Void>?) { promise?.succeed() }
    func registerAlreadyConfigured0(promise: EventLoopPromise<Void>?) { promise?.succeed() }
    func bind0(to: SocketAddress, promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.operationUnsupported) }
    func connect0(to: SocketAddress, promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.operationUnsupported) }
    func write0(_ data: NIOAny, promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.operationUnsupported) }
    func flush0() {}
    func read0() {}

    func close0(error: any Error, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode != .output, self.active.exchange(false, ordering: .acquiringAndReleasing) else {
            promise?.succeed()
            return
        }
        promise?.succeed()
        self.pipeline.fireChannelInactive()
        self.eventLoop.execute {
            self.removeHandlers(pipeline: self.pipeline)
            self.closePromise.succeed()
        }
    }

    func triggerUserOutboundEvent0(_ event: Any, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }
    func channelRead0(_ data: NIOAny) {}
    func errorCaught0(error: any Error) {}
}

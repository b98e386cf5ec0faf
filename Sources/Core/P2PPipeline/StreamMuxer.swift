public import NIOCore
public import P2PCore

/// Carries many streams over one secured channel.
public protocol StreamMuxer: Sendable {
    /// What multistream-select calls it, such as `/yamux/1.0.0`.
    var protocolID: ProtocolID { get }
    /// Adds its handler at the end of the channel's pipeline. On the event loop; everything that the channel reads from
    /// now on belongs to it.
    func multiplex(
        _ channel: any Channel, records: any RecordWriter, info: ConnectionInfo, context: MuxerContext
    ) throws -> any MuxedConnection
}

/// What a muxer gets from the host.
public struct MuxerContext: Sendable {
    /// Runs tasks on the channel's event loop.
    public let executor: EventLoopTaskExecutor
    /// What receive windows may grow by.
    public let windowBudget: MemoryBudget

    /// What a muxer gets from the connection that it is made for.
    public init(executor: EventLoopTaskExecutor, windowBudget: MemoryBudget) {
        self.executor = executor
        self.windowBudget = windowBudget
    }
}

public import NIOCore
public import P2PCore
import P2PMuxing
public import P2PPipeline

/// Carries many streams over one secured channel: `/yamux/1.0.0`, with flow control for each stream.
public struct Yamux: StreamMuxer {
    /// Limits and times of every connection.
    public var configuration: YamuxConfiguration

    /// - Parameter configuration: limits and times of every connection; the defaults suit most.
    public init(configuration: YamuxConfiguration = YamuxConfiguration()) {
        self.configuration = configuration
    }

    /// What multistream-select calls it.
    public var protocolID: ProtocolID { "/yamux/1.0.0" }

    /// Adds the handler at the end of the channel's pipeline; see ``StreamMuxer``.
    public func multiplex(
        _ channel: any Channel, records: any RecordWriter, info: ConnectionInfo, context: MuxerContext
    ) throws -> any MuxedConnection {
        let limits = MuxerLimits(
            streams: self.configuration.maximumStreams, backlog: self.configuration.maximumBacklog, streamIDs: 1 << 31,
            creditThreshold: Int(YamuxConfiguration.initialWindow) / 2)
        let connection = MuxerConnection(
            info: info, closed: channel.closeFuture, executor: context.executor, limits: limits,
            account: context.windowBudget.account(for: info))
        let handler = YamuxHandler(
            channel, connection: connection, records: records, configuration: self.configuration, budget: context.windowBudget)
        try channel.pipeline.syncOperations.addHandler(handler)
        return connection
    }
}

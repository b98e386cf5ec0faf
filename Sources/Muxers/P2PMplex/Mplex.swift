public import NIOCore
public import P2PCore
import P2PMuxing
public import P2PPipeline

/// Carries many streams over one secured channel: `/mplex/6.7.0`, for old peers that speak nothing better.
///
/// It has no flow control: a stream whose reader does not keep up is reset, see ``MplexConfiguration/maximumUnread``. It has no
/// goodbye and no keep-alive either.
public struct Mplex: StreamMuxer {
    /// Limits and times of every connection.
    public var configuration: MplexConfiguration

    /// - Parameter configuration: limits and times of every connection; the defaults suit most.
    public init(configuration: MplexConfiguration = MplexConfiguration()) {
        self.configuration = configuration
    }

    /// What multistream-select calls it.
    public var protocolID: ProtocolID { "/mplex/6.7.0" }

    /// Adds the handler at the end of the channel's pipeline; see ``StreamMuxer``.
    public func multiplex(
        _ channel: any Channel, records: any RecordWriter, info: ConnectionInfo, context: MuxerContext
    ) throws -> any MuxedConnection {
        let limits = MuxerLimits(
            streams: self.configuration.maximumStreams, backlog: self.configuration.maximumBacklog,
            streamIDs: MplexStreamID.maximumNumber, creditThreshold: MplexConfiguration.reportedConsumption)
        let connection = MuxerConnection(
            info: info, closed: channel.closeFuture, executor: context.executor, limits: limits,
            account: context.windowBudget.account(for: info))
        let handler = MplexHandler(channel, connection: connection, records: records, configuration: self.configuration)
        try channel.pipeline.syncOperations.addHandler(handler)
        return connection
    }
}

public import P2PCore

/// What every stream muxer, and every transport that multiplexes itself, owes its users.
public struct MuxerConformance: ConformanceSuite {
    /// One demand of the contract.
    public enum Case: String, CaseIterable, Sendable {
        case opensFromBothSides
        case showsNothingBeforeTheFirstBytes
        case halfClosesDialerFirst
        case halfClosesListenerFirst
        case halfClosesBothAtOnce
        case deliversBeforeTheEnd
        case finishesWithoutBytes
        case resetsFromTheOpener
        case resetsFromTheAcceptor
        case resetsWhatIsLetGo
        case discardsAfterStopReading
        case survivesCancelledReads
        case holdsBackForASlowReader
        case writesMoreThanAWindowBothWays
        case keepsOrderInSmallPieces
        case runsManyStreamsInTurn
        case runsManyStreamsAtOnce
        case boundsTheBacklog
        case boundsTheStreams
        case closesAtOnce
        case closesWithGrace
        case closesTwice
        case countsTraffic
    }

    /// The two sides of a connection.
    public typealias Pair = (dialer: any MuxedConnection, listener: any MuxedConnection)

    /// Bytes that go through a stream while another's reader has stopped.
    public var bulk = 8 << 20
    /// Streams in turn.
    public var sequentialStreams = 1_000
    /// Streams at once; fewer than the muxer's limit and backlog.
    public var concurrentStreams = 200
    /// Streams that may wait for somebody to accept them.
    public var backlog = 256
    /// Streams that one side may have open.
    public var streamLimit = 512

    /// Whether a writer is held back while its peer doesn't read. A muxer that can't must reset the stream instead, when more waits
    /// than fits.
    public var hasFlowControl: Bool
    /// Whether a side that closes tells the other before its streams have ended. A muxer that can't must refuse each new stream.
    public var hasGoodbye: Bool

    let connect: @Sendable () async throws -> Pair

    /// - Parameters:
    ///   - hasFlowControl: see ``hasFlowControl``.
    ///   - hasGoodbye: see ``hasGoodbye``.
    ///   - connect: makes a fresh connection between two peers.
    public init(hasFlowControl: Bool = true, hasGoodbye: Bool = true, _ connect: @escaping @Sendable () async throws -> Pair) {
        self.hasFlowControl = hasFlowControl
        self.hasGoodbye = hasGoodbye
        self.connect = connect
    }

    /// Runs one case; throws a ``ConformanceFailure`` that says what did not hold.
    public func check(_ conformanceCase: Case) async throws {
        let pair = try await self.connect()
        do {
            try await self.check(conformanceCase, pair)
        } catch {
            await Self.drop(pair)
            throw error
        }
        await Self.drop(pair)
    }

    private func check(_ conformanceCase: Case, _ pair: Pair) async throws {
        switch conformanceCase {
        case .opensFromBothSides: try await self.opensFromBothSides(pair)
        case .showsNothingBeforeTheFirstBytes: try await self.showsNothingBeforeTheFirstBytes(pair)
        case .halfClosesDialerFirst: try await self.halfCloses(pair, first: .dialer)
        case .halfClosesListenerFirst: try await self.halfCloses(pair, first: .listener)
        case .halfClosesBothAtOnce: try await self.halfClosesBothAtOnce(pair)
        case .deliversBeforeTheEnd: try await self.deliversBeforeTheEnd(pair)
        case .finishesWithoutBytes: try await self.finishesWithoutBytes(pair)
        case .resetsFromTheOpener: try await self.resetsFromTheOpener(pair)
        case .resetsFromTheAcceptor: try await self.resetsFromTheAcceptor(pair)
        case .resetsWhatIsLetGo: try await self.resetsWhatIsLetGo(pair)
        case .discardsAfterStopReading: try await self.discardsAfterStopReading(pair)
        case .survivesCancelledReads: try await self.survivesCancelledReads(pair)
        case .holdsBackForASlowReader:
            if self.hasFlowControl { try await self.holdsBackForASlowReader(pair) } else { try await self.resetsWhatIsNotRead(pair) }
        case .writesMoreThanAWindowBothWays:
            if self.hasFlowControl {
                try await self.writesMoreThanAWindowBothWays(pair)
            } else {
                try await self.keepsWhatIsNotReadYet(pair)
            }
        case .keepsOrderInSmallPieces: try await self.keepsOrderInSmallPieces(pair)
        case .runsManyStreamsInTurn: try await self.runsManyStreamsInTurn(pair)
        case .runsManyStreamsAtOnce: try await self.runsManyStreamsAtOnce(pair)
        case .boundsTheBacklog: try await self.boundsTheBacklog(pair)
        case .boundsTheStreams: try await self.boundsTheStreams(pair)
        case .closesAtOnce: try await self.closesAtOnce(pair)
        case .closesWithGrace:
            if self.hasGoodbye { try await self.closesWithGrace(pair) } else { try await self.closesSilently(pair) }
        case .closesTwice: try await self.closesTwice(pair)
        case .countsTraffic: try await self.countsTraffic(pair)
        }
    }

    private static func drop(_ pair: Pair) async {
        async let dialer: Void = pair.dialer.close(.normal, grace: .zero)
        async let listener: Void = pair.listener.close(.normal, grace: .zero)
        _ = await (dialer, listener)
    }
}

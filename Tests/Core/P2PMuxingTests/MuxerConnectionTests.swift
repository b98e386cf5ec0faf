import NIOCore
import NIOEmbedded
import P2PCore
import P2PIdentity
import P2PMultiaddr
import Testing

@testable import P2PMuxing

@Suite("A muxed connection, as any thread sees it")
struct MuxerConnectionTests {
    /// Counts how often it is woken, and takes over what streams have told.
    private final class Driver: MuxerHandler {
        let connection: MuxerConnection
        var streams = StreamTable<UInt32, MuxedStream>()
        var news = MuxerNews()
        var wakeUps = 0
        var ticks = 0

        init(_ connection: MuxerConnection) {
            self.connection = connection
            connection.handler = self
        }

        func drain() {
            self.wakeUps += 1
            self.connection.takeNews(&self.news)
            self.streams.collect(fresh: self.news.fresh, work: self.news.work)
            self.news.clear()
        }

        func tick() { self.ticks += 1 }
        func close(_ code: ConnectionErrorCode, grace: TimeAmount) {}
        func number(of stream: MuxedStream) -> UInt64? { nil }

        /// Streams in the ready line, in their order.
        func takeReady() -> [MuxedStream] {
            var ready: [MuxedStream] = []
            while let slot = self.streams.takeReady(), let stream = self.streams.stream(at: slot) { ready.append(stream) }
            return ready
        }

        func forget(_ stream: MuxedStream) {
            self.streams.remove(at: stream.slot)
            self.connection.streamEnded(at: stream.slot)
        }
    }

    private let loop = EmbeddedEventLoop()

    private func make(streams: Int = 8, backlog: Int = 2, ids: UInt64 = 100) throws -> (MuxerConnection, Driver) {
        let key = try PrivateKey.generate(.ed25519).publicKey
        let info = ConnectionInfo(
            role: .dialer, localPeer: PeerID(key), remotePeer: PeerID(key), remoteKey: key, localAddress: .empty, remoteAddress: .empty,
            security: "/noise", muxer: "/test")
        let connection = MuxerConnection(
            info: info, closed: self.loop.makeSucceededVoidFuture(), executor: EventLoopTaskExecutor(self.loop),
            limits: MuxerLimits(streams: streams, backlog: backlog, streamIDs: ids, creditThreshold: 100),
            account: MemoryBudget(limit: 0).account(for: info))
        return (connection, Driver(connection))
    }

    @Test("Opening says nothing to the loop; the first bytes wake it once, however many streams have some")
    func wakesOnce() throws {
        let (connection, driver) = try self.make()
        let streams = try (0..<3).map { _ in try connection.makeStream() }
        self.loop.run()
        #expect(driver.wakeUps == 0 && connection.traffic.streams == 3)
        for stream in streams { _ = stream.muxed.tryWrite(ByteBuffer(string: "x")) }
        self.loop.run()
        #expect(driver.wakeUps == 1)
        #expect(driver.takeReady().map(ObjectIdentifier.init) == streams.map { ObjectIdentifier($0.muxed) })
    }

    @Test("Work that the handler is about to come for wakes nobody")
    func expected() throws {
        let (connection, driver) = try self.make()
        connection.expectWork()
        let stream = try connection.makeStream()
        _ = stream.muxed.tryWrite(ByteBuffer(string: "x"))
        self.loop.run()
        #expect(driver.wakeUps == 0)
        driver.drain()
        #expect(driver.takeReady().count == 1)
    }

    @Test("Streams have slots of their own, and a slot goes to another when its stream has ended")
    func slots() throws {
        let (connection, driver) = try self.make()
        let ours = try (0..<2).map { _ in try connection.makeStream() }
        let theirs = connection.makeInbound(creditThreshold: 1)
        #expect(Set(ours.map(\.muxed.slot) + [theirs.slot]) == [0, 1, 2])
        driver.drain()
        driver.forget(ours[1].muxed)
        #expect(connection.traffic.streams == 2)
        #expect(try connection.makeStream().muxed.slot == ours[1].muxed.slot)
        #expect(try connection.makeStream().muxed.slot == 3)
    }

    @Test("What a forgotten stream says is not taken for a word of the one that has its slot now")
    func staleWork() throws {
        let (connection, driver) = try self.make()
        let old = try connection.makeStream()
        driver.drain()
        driver.forget(old.muxed)
        let new = try connection.makeStream()
        #expect(new.muxed.slot == old.muxed.slot)
        _ = old.muxed.tryWrite(ByteBuffer(string: "x"))
        driver.drain()
        #expect(driver.streams.stream(at: new.muxed.slot) === new.muxed)
        #expect(driver.takeReady().isEmpty)
        _ = new.muxed.tryWrite(ByteBuffer(string: "x"))
        driver.drain()
        #expect(driver.takeReady().map(ObjectIdentifier.init) == [ObjectIdentifier(new.muxed)])
    }

    @Test("A stream that ended before the loop saw its work, and whose slot is taken again in the same turn, leaves no trace")
    func reusedWithinATurn() throws {
        let (connection, driver) = try self.make()
        let inbound = connection.makeInbound(creditThreshold: 1)
        driver.streams.insert(inbound, at: inbound.slot, id: 2)
        _ = inbound.tryWrite(ByteBuffer(string: "x"))
        driver.forget(inbound)
        let new = try connection.makeStream()
        _ = new.muxed.tryWrite(ByteBuffer(string: "y"))
        driver.drain()
        #expect(driver.streams.count == 1 && driver.streams[2] == nil)
        #expect(driver.takeReady().map(ObjectIdentifier.init) == [ObjectIdentifier(new.muxed)])
    }

    @Test("A limit says its name, and what ends makes room")
    func limits() throws {
        let (connection, driver) = try self.make(streams: 2)
        let first = try connection.makeStream()
        _ = connection.makeInbound(creditThreshold: 1)
        let error = #expect(throws: ConnectionError.self) { _ = try connection.makeStream() }
        #expect(error?.code == .resourceLimit && error?.message.contains("maximumStreams") == true)
        driver.drain()
        driver.forget(first.muxed)
        _ = try connection.makeStream()
    }

    @Test("Ids that were promised do not come back")
    func idsRunOut() throws {
        let (connection, driver) = try self.make(ids: 2)
        for _ in 0..<2 {
            let stream = try connection.makeStream()
            driver.drain()
            driver.forget(stream.muxed)
        }
        let error = #expect(throws: ConnectionError.self) { _ = try connection.makeStream() }
        #expect(error?.code == .streamIDsExhausted)
    }

    @Test("The backlog is bounded, and a stream that nobody may have counts until it is forgotten")
    func backlog() throws {
        let (connection, driver) = try self.make(backlog: 2)
        let streams = (0..<3).map { _ in connection.makeInbound(creditThreshold: 1) }
        #expect(streams.map { connection.accept($0) } == [true, true, false])
        #expect(connection.traffic.streams == 3)
        for (id, stream) in streams.enumerated() { driver.streams.insert(stream, at: stream.slot, id: UInt32(id)) }
        driver.forget(streams[2])
        #expect(connection.traffic.streams == 2)
    }

    @Test("At the end every stream fails, whether or not the loop had seen it, and none opens any more")
    func ending() throws {
        let (connection, driver) = try self.make()
        let known = try connection.makeStream()
        driver.drain()
        let unseen = try connection.makeStream()
        let reason = ConnectionError(.lost, "gone")
        connection.end(reason, isOurs: false, streams: driver.streams.removeAll())
        #expect([known.muxed.failure?.code, unseen.muxed.failure?.code] == [.connectionLost, .connectionLost])
        #expect(connection.traffic.streams == 0)
        let error = #expect(throws: ConnectionError.self) { _ = try connection.makeStream() }
        #expect(error?.code == .lost)
        known.reset(.cancelled)
        self.loop.run()
        #expect(driver.wakeUps == 1)
    }

    @Test("The first reason for which no stream opens counts, until the connection ends")
    func refusal() throws {
        let (connection, _) = try self.make()
        connection.refuseStreams(ConnectionError(.goingAway, "first"))
        connection.refuseStreams(ConnectionError(.closed, "second"))
        let error = #expect(throws: ConnectionError.self) { _ = try connection.makeStream() }
        #expect(error?.message == "first")
    }

    @Test(
        "What is far off is put off to the next tenth of a second, what is near is not",
        arguments: [(4_999, 4_999), (5_000, 5_000), (5_001, 5_100), (29_999, 30_000), (30_000, 30_000), (30_001, 30_100)]
            as [(Int64, Int64)])
    func moment(milliseconds: Int64, expected: Int64) {
        let now = NIODeadline.uptimeNanoseconds(0)
        #expect(MuxerAlarm.moment(for: now + .milliseconds(milliseconds), at: now) == now + .milliseconds(expected))
        #expect(MuxerAlarm.moment(for: .distantFuture, at: now) == .distantFuture)
    }

    @Test("An alarm goes off at the earliest time that was asked for, once")
    func alarm() throws {
        let (connection, driver) = try self.make()
        var alarm = MuxerAlarm()
        let start = self.loop.now
        alarm.set(start + .seconds(5), on: self.loop, waking: connection)
        alarm.set(start + .seconds(2), on: self.loop, waking: connection)
        alarm.set(start + .seconds(3), on: self.loop, waking: connection)
        self.loop.advanceTime(by: .seconds(1))
        #expect(driver.ticks == 0)
        self.loop.advanceTime(by: .seconds(9))
        #expect(driver.ticks == 1)
        alarm.rang()
        alarm.set(self.loop.now + .seconds(1), on: self.loop, waking: connection)
        alarm.cancel()
        self.loop.advanceTime(by: .seconds(9))
        #expect(driver.ticks == 1)
    }
}

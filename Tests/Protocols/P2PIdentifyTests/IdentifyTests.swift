import Logging
import NIOCore
import P2PCore
import P2PIdentity
import P2PMultiaddr
import P2PProtocolTesting
import Synchronization
import Testing

@testable import P2PIdentify

@Suite("Identify")
struct IdentifyTests {
    private let host = IntroducingHost()
    private let sample: Sample
    private let connection: ConnectionInfo

    init() throws {
        self.sample = try Sample()
        self.connection = try .sample(remote: self.sample.key)
    }

    /// The exchange of a host whose peer does with each stream what the closure says.
    private func exchange(_ body: @escaping @Sendable (PeerStream) async throws -> Void) throws -> IdentifyExchange {
        IdentifyExchange(try LoopbackPeer(on: self.connection, introductions: self.host, body))
    }

    private func exchange() throws -> IdentifyExchange { try self.exchange { $0.reset() } }

    private var peerConnection: PeerConnection { get throws { try LoopbackPeer(on: self.connection) { $0.reset() }.peerConnection } }

    @Test("Two hosts introduce themselves: what one says is what the other is told")
    func bothSides() async throws {
        let far = IntroducingHost()
        let record = try await self.sample.record(addresses: Sample.addresses(2))
        let said = Introduction(
            publicKey: self.sample.key.publicKey, listenAddresses: try Sample.addresses(2), protocols: ["/a", "/b"],
            observedAddress: try Sample.address(3), protocolVersion: "ipfs/0.1.0", agentVersion: "sample/1", signedRecord: record)
        far.state.withLock { $0.own = said }
        let peer = LoopbackPeer(
            IdentifyProtocol(IdentifyExchange(try LoopbackPeer(introductions: far) { $0.reset() })), on: self.connection,
            introductions: self.host)
        await IdentifyExchange(peer).greet(peer.peerConnection)
        #expect(self.host.told == [said])
        #expect(peer.opened == 1)
    }

    @Test("A message of more than 8 KiB is an error, before any of it is read")
    func oversize() async throws {
        let exchange = try self.exchange { stream in
            try await stream.write(ByteBuffer(bytes: [0x81, 0x40]))
            while try await stream.read() != nil {}
        }
        #expect(await errorCode { _ = try await exchange.identify(self.connection) } == .messageTooLarge)
    }

    @Test("More than ten messages are an error")
    func endless() async throws {
        let message = try self.sample.message()
        let exchange = try self.exchange { stream in
            for _ in 0..<1_000 { try await stream.writeMessage(message) }
        }
        #expect(await errorCode { _ = try await exchange.identify(self.connection) } == .messageTooLarge)
    }

    @Test("A peer that says nothing, or does not finish, is given up", arguments: [0, 1])
    func hanging(messages: Int) async throws {
        let message = try self.sample.message()
        let exchange = try self.exchange { stream in
            for _ in 0..<messages { try await stream.writeMessage(message) }
            while try await stream.read() != nil {}
        }
        #expect(await errorCode { _ = try await exchange.identify(self.connection) } == .timedOut)
        await exchange.greet(try self.peerConnection)
        #expect(self.host.told == [])
    }

    @Test("A peer that claims another key has not introduced itself")
    func wrongKey() async throws {
        let message = try Sample().message()
        let exchange = try self.exchange { try await $0.writeMessage(message) }
        #expect(await errorCode { _ = try await exchange.identify(self.connection) } == .wrongKey)
        await exchange.greet(try self.peerConnection)
        #expect(self.host.told == [])
    }

    @Test("A record with an old sequence number is ignored: the unsigned addresses are left")
    func oldRecord() async throws {
        let peer = SaysInTurn()
        let exchange = try self.exchange { try await $0.writeMessage(peer.next()) }
        for (sequence, isTaken) in [(5, true), (4, false), (5, true), (6, true), (0, false)] {
            let record = try await self.sample.record(sequence: UInt64(sequence), addresses: [Sample.address(sequence + 10)])
            let message = try self.sample.message { $0.signedPeerRecord = record }
            peer.say(message)
            let introduction = try await exchange.identify(self.connection)
            #expect((introduction.signedRecord != nil) == isTaken, "sequence \(sequence)")
            #expect(introduction.listenAddresses == [try Sample.address(isTaken ? sequence + 10 : 1)], "sequence \(sequence)")
        }
    }

    @Test("A push is taken, and what it leaves out stays what it was")
    func push() async throws {
        let known = Introduction(
            publicKey: self.sample.key.publicKey, listenAddresses: [try Sample.address(4)], protocols: ["/old"], agentVersion: "sample/0")
        self.host.state.withLock { $0.known = known }
        let message = try self.sample.message { wire in
            wire.listenAddresses = []
            wire.protocols = [Array("/new".utf8)]
            wire.publicKey = nil
            wire.agentVersion = nil
        }
        let pair = StreamPair()
        let (exchange, connection) = (try self.exchange(), try self.peerConnection)
        async let failure = IdentifyPushProtocol(exchange).serve(pair.listener, on: connection)
        try await pair.dialer.writeMessage(message)
        try await pair.dialer.finish()
        #expect(await failure == nil)
        var expected = known
        expected.protocols = ["/new"]
        #expect(self.host.told == [expected])
    }

    @Test("Pushes beyond the rate are reset")
    func pushFlood() async throws {
        let exchange = try self.exchange()
        let connection = try self.peerConnection
        let message = try self.sample.message()
        var refused = 0
        for _ in 0..<(IdentifyLimits.pushBurst + 3) {
            let pair = StreamPair()
            async let failure = IdentifyPushProtocol(exchange).serve(pair.listener, on: connection)
            _ = await errorCode {
                try await pair.dialer.writeMessage(message)
                try await pair.dialer.finish()
            }
            if await failure?.code == .rateLimited { refused += 1 }
        }
        #expect(refused == 3)
        #expect(self.host.told.count == IdentifyLimits.pushBurst)
    }

    @Test("What changes before a peer has said that it takes pushes is pushed once it has", arguments: [true, false])
    func changesMeanwhile(isChanged: Bool) async throws {
        let exchanged = Mutex<IdentifyExchange?>(nil)
        let host = self.host
        let message = try self.sample.message { $0.protocols = [Array(Identify.pushID.name.utf8)] }
        let peer = try LoopbackPeer(on: self.connection, introductions: host) { stream in
            // The first stream asks; the change comes before it is answered, and reaches nobody.
            if isChanged, let exchange = exchanged.withLock({ $0.take() }) {
                host.change.yield()
                host.change.finish()
                await exchange.pushChanges()
            }
            try await stream.writeMessage(message)
        }
        let exchange = IdentifyExchange(peer)
        exchanged.withLock { $0 = exchange }
        await exchange.greet(peer.peerConnection)
        #expect(peer.opened == (isChanged ? 2 : 1))
        #expect(host.told.count == 1)
    }

    @Test("A change is pushed to every peer that serves push")
    func pushesChanges() async throws {
        let far = IntroducingHost()
        self.host.state.withLock { state in
            state.own = Introduction(publicKey: self.sample.key.publicKey, protocols: ["/new"])
            state.serving = [self.connection, self.connection, self.connection]
        }
        self.host.change.yield()
        self.host.change.finish()
        let peer = LoopbackPeer(
            IdentifyPushProtocol(IdentifyExchange(try LoopbackPeer(introductions: far) { $0.reset() })), on: self.connection,
            introductions: self.host)
        await IdentifyExchange(peer).pushChanges()
        #expect(peer.opened == 3)
    }

    @Test("Streams are bounded in number and time")
    func limits() throws {
        let handlers = try self.exchange().handlers
        #expect(handlers.map(\.protocolIDs) == [["/ipfs/id/1.0.0"], ["/ipfs/id/push/1.0.0"]])
        #expect(handlers.map(\.limits.inboundPerPeer) == [4, 2])
        #expect(handlers.map(\.limits.lifetime) == [.seconds(5), .seconds(5)])
        #expect(handlers.map(\.limits.refusals) == [200, 200])
    }
}

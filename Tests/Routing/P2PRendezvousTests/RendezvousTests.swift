import NIOCore
import P2PCore
import P2PHost
import P2PIdentify
import P2PIdentity
import P2PMultiaddr
import P2PTesting
import Testing

@testable import P2PRendezvous

@Suite("Rendezvous")
struct RendezvousTests {
    private let now = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private func record(of key: PrivateKey, sequence: UInt64 = 1) async throws -> [UInt8] {
        let address = try Multiaddr("/ip4/127.0.0.1/tcp/4001")
        return try await PeerRecord(peer: PeerID(key.publicKey), sequence: sequence, addresses: [address.bytes]).sealed(with: key)
            .protobufEncoded()
    }

    private func register(
        _ key: PrivateKey, _ namespace: String, ttl: UInt64? = nil, in store: inout RegistrationStore, at now: NIODeadline? = nil
    ) async throws -> RendezvousStatus {
        let registration = WireRegistration(namespace: namespace, record: try await self.record(of: key), timeToLive: ttl)
        let answer = try store.answer(.register(registration), from: PeerID(key.publicKey), at: now ?? self.now)
        guard case .registered(let status, _, _)? = answer else { return .internalError }
        return status
    }

    private func discover(
        _ namespace: String?, limit: UInt64? = nil, cookie: [UInt8] = [], in store: inout RegistrationStore, at now: NIODeadline? = nil
    ) throws -> (names: [String], cookie: [UInt8], status: RendezvousStatus) {
        guard
            case .discovered(let found, let cookie, let status, _)? = try store.answer(
                .discover(namespace: namespace, limit: limit, cookie: cookie), from: PeerID(try PrivateKey.generate(.ed25519).publicKey),
                at: now ?? self.now)
        else { return ([], [], .internalError) }
        return (found.map(\.namespace), cookie, status)
    }

    @Test("Messages are those of the spec, zeros included, and are read as what they were")
    func messages() throws {
        #expect(
            Array(RendezvousMessage.discover(namespace: "a", limit: 0, cookie: []).encoded.readableBytesView)
                == [0x08, 3, 0x2a, 5, 0x0a, 1, 0x61, 0x10, 0])
        #expect(
            Array(RendezvousMessage.registered(.ok, text: "", timeToLive: 7_200).encoded.readableBytesView)
                == [0x08, 1, 0x1a, 7, 0x08, 0, 0x12, 0, 0x18, 0xa0, 0x38])
        let registration = WireRegistration(namespace: "a", record: [1, 2], timeToLive: 60)
        for message in [
            .register(registration), .registered(.unavailable, text: "no", timeToLive: 0), .unregister(namespace: "a"),
            .discover(namespace: nil, limit: nil, cookie: [1]), .discover(namespace: "", limit: 5, cookie: []),
            .discovered([registration, registration], cookie: [9], .invalidCookie, text: "x"),
        ] as [RendezvousMessage] {
            #expect(try RendezvousMessage(reading: message.encoded) == message)
        }
        // An absent status is zero: py leaves it out.
        #expect(
            try RendezvousMessage(reading: ByteBuffer(bytes: [0x08, 1, 0x1a, 2, 0x18, 60])) == .registered(.ok, text: "", timeToLive: 60))
        // An absent type is zero, too, where there is a registration.
        #expect(
            try RendezvousMessage(reading: ByteBuffer(bytes: [0x12, 3, 0x0a, 1, 0x61]))
                == .register(WireRegistration(namespace: "a", record: [], timeToLive: nil)))
        for bytes in [[], [0x08, 9], [0x08, 0, 0x12, 9], [0xff]] as [[UInt8]] {
            #expect(throws: StreamError(.malformed, "")) { try RendezvousMessage(reading: ByteBuffer(bytes: bytes)) }
        }
    }

    @Test("A registration is found until its time is over, the newest of a peer alone, and a cookie tells what is new")
    func lifetime() async throws {
        let (one, two) = (try PrivateKey.generate(.ed25519), try PrivateKey.generate(.ed25519))
        var store = RegistrationStore()
        #expect(try await self.register(one, "a", ttl: 3_600, in: &store) == .ok)
        #expect(try await self.register(one, "a", ttl: 60, in: &store) == .ok)
        #expect(try await self.register(two, "b", in: &store) == .ok)
        #expect(store.count == 2)
        let first = try self.discover("a", in: &store)
        #expect(first.names == ["a"] && first.status == .ok)
        #expect(first.cookie.count == 9)
        #expect(try self.discover("a", cookie: first.cookie, in: &store).names.isEmpty)
        #expect(try await self.register(two, "a", in: &store) == .ok)
        #expect(try self.discover("a", cookie: first.cookie, in: &store).names == ["a"])
        #expect(try self.discover(nil, in: &store).names == ["a", "b", "a"])
        #expect(try self.discover("", in: &store).names.count == 3)
        #expect(try self.discover("c", in: &store).names.isEmpty)
        #expect(try self.discover("b", cookie: first.cookie, in: &store).status == .invalidCookie)
        #expect(try self.discover("a", cookie: [1], in: &store).status == .invalidCookie)
        #expect(try self.discover("a", in: &store, at: self.now.advanced(by: .seconds(60))).names == ["a"])
        #expect(try store.answer(.unregister(namespace: "a"), from: PeerID(two.publicKey), at: self.now) == nil)
        #expect(try store.answer(.unregister(namespace: "a"), from: PeerID(two.publicKey), at: self.now) == nil)
        // What was over has gone by itself.
        #expect(store.count == 1)
    }

    @Test("What is new is found without a look at what was before, and what has gone takes up no more than what is there")
    func order() throws {
        let peer = PeerID(try PrivateKey.generate(.ed25519).publicKey)
        var order = RegistrationOrder()
        var alive: Set<UInt64> = []
        for number in 1...UInt64(20_000) {
            order.append(RegistrationOrder.Item(number: number, namespace: "a", peer: peer))
            alive.insert(number)
            // One is replaced again and again, as somebody who registers in a loop has it.
            guard number > 100 else { continue }
            alive.remove(number - 1 > 100 ? number - 1 : 100)
            order.remove { alive.contains($0.number) }
            #expect(order.after(0).count <= 2 * alive.count + 20)
        }
        #expect(order.after(19_999).map(\.number) == [20_000] && order.after(20_000).isEmpty)
        #expect(Set(order.after(0).map(\.number)).isSuperset(of: alive) && !order.isEmpty)
        for number in alive {
            alive.remove(number)
            order.remove { alive.contains($0.number) }
        }
        #expect(order.isEmpty)
    }

    @Test("More than fits into an answer comes with the next ones")
    func paging() async throws {
        let key = try PrivateKey.generate(.ed25519)
        var store = RegistrationStore()
        for number in 0..<10 { #expect(try await self.register(key, "\(number)", in: &store) == .ok) }
        var cookie: [UInt8] = []
        var all: [String] = []
        for _ in 0..<4 {
            let page = try self.discover(nil, limit: 3, cookie: cookie, in: &store)
            all += page.names
            cookie = page.cookie
        }
        #expect(all == (0..<10).map(String.init))
        #expect(try self.discover(nil, limit: 3, cookie: cookie, in: &store).names.isEmpty)
        #expect(try self.discover(nil, limit: 0, in: &store).names.isEmpty)
    }

    @Test("What a point does not take, it refuses by its number, and floods meet bounds")
    func refusals() async throws {
        let (one, two) = (try PrivateKey.generate(.ed25519), try PrivateKey.generate(.ed25519))
        var store = RegistrationStore(perPeer: 3, limit: 4)
        #expect(try await self.register(one, "", in: &store) == .invalidNamespace)
        #expect(try await self.register(one, String(repeating: "n", count: 256), in: &store) == .invalidNamespace)
        #expect(try await self.register(one, "a", ttl: 59, in: &store) == .invalidTimeToLive)
        #expect(try await self.register(one, "a", ttl: 72 * 3_600 + 1, in: &store) == .invalidTimeToLive)
        let stolen = WireRegistration(namespace: "a", record: try await self.record(of: two), timeToLive: nil)
        guard
            case .registered(.invalidSignedPeerRecord, _, _)? = try store.answer(
                .register(stolen), from: PeerID(one.publicKey), at: self.now)
        else {
            Issue.record("another peer's record was taken")
            return
        }
        for number in 0..<3 { #expect(try await self.register(one, "\(number)", ttl: 60, in: &store) == .ok) }
        #expect(try await self.register(one, "4", in: &store) == .notAuthorized)
        #expect(try await self.register(one, "2", in: &store) == .ok)
        #expect(try await self.register(two, "1", in: &store) == .ok)
        #expect(try await self.register(two, "2", in: &store) == .unavailable)
        // What is over makes room.
        #expect(try await self.register(two, "2", in: &store, at: self.now.advanced(by: .seconds(61))) == .ok)
        #expect(throws: StreamError(.malformed, "")) {
            try store.answer(.registered(.ok, text: "", timeToLive: 0), from: PeerID(one.publicKey), at: self.now)
        }
    }

    @Test("Whoever discovers leaves nothing behind, and the thirty-third registration of a peer is refused")
    func floods() async throws {
        let key = try PrivateKey.generate(.ed25519)
        var store = RegistrationStore()
        for number in 0..<32 { #expect(try await self.register(key, "\(number)", in: &store) == .ok) }
        #expect(try await self.register(key, "32", in: &store) == .notAuthorized)
        for number in 0..<10_000 {
            let found = try self.discover("nobody \(number)", in: &store)
            #expect(found.status == .ok && found.names.isEmpty)
            // A cookie is made of what the one who asks has said, and of one number.
            #expect(found.cookie == RegistrationStore.cookie(32, of: "nobody \(number)"))
        }
        #expect(store.count == 32 && RendezvousLimits.registrations == 10_000)
    }

    @Test("Answers are asked for one after the other while they are full and lead on, and ten times at most")
    func rounds() throws {
        var peers: [PeerID] = []
        for number in 0..<1_000 {
            var bytes: [UInt8] = [0x12, 0x20] + [UInt8](repeating: 0, count: 32)
            bytes[2] = UInt8(number / 256)
            bytes[3] = UInt8(number % 256)
            peers.append(try PeerID(bytes: bytes))
        }
        var round = Rendezvous.Round()
        let isFirst = round.goesOn(peers, isCookieNew: true)
        let isSecond = round.goesOn(peers, isCookieNew: true)
        #expect(isFirst && !isSecond)
        round = Rendezvous.Round()
        let isSameCookie = round.goesOn(peers, isCookieNew: false)
        #expect(!isSameCookie)
        round = Rendezvous.Round()
        let isPartOfOne = round.goesOn(Array(peers.dropLast()), isCookieNew: true)
        #expect(!isPartOfOne)
        #expect(RendezvousLimits.pagesPerRound == 10)
    }

    @Test("The greatest request that is allowed is within the limit of a request")
    func requestSize() {
        let namespace = String(repeating: "n", count: RendezvousLimits.namespaceLength)
        let record = [UInt8](repeating: 1, count: RendezvousLimits.recordSize)
        let registration = WireRegistration(namespace: namespace, record: record, timeToLive: .max)
        #expect(RendezvousMessage.register(registration).encoded.readableBytes <= RendezvousLimits.requestSize)
    }

    @Test("What a point says reaches no terminal as it is, and is short")
    func texts() {
        #expect(Rendezvous.printable("full\u{1b}[2J\nnow") == "full?[2J?now")
        #expect(Rendezvous.printable("voll, später") == "voll, später")
        #expect(Rendezvous.printable("e" + String(repeating: "\u{301}", count: 5_000)).unicodeScalars.count == 256)
    }

    @Test("Two that know only a rendezvous point meet, and meet again when one has come later", .timeLimit(.minutes(1)))
    func meeting() async throws {
        try await withWorld(seed: 5, everyLink: .latency(.milliseconds(20))) { world in
            let point = RendezvousPoint()
            let server = try await world.host(Identify(), point)
            let way = try #require(server.listenAddresses.first)
            var meeting = try Rendezvous("game", at: way)
            meeting.interval = .seconds(10)
            let first = try await world.host(Identify(), meeting)
            try await world.run(for: .seconds(5))
            let second = try await world.host(Identify(), meeting)
            try await world.run(for: .seconds(15))
            #expect(point.registrationCount == 2)
            #expect(first.connections().contains { $0.remotePeer == second.peerID })
        }
    }

    @Test("A peer that is no rendezvous point is told from one that does not answer", .timeLimit(.minutes(1)))
    func noPoint() async throws {
        try await withWorld(seed: 6, everyLink: .latency(.milliseconds(20))) { world in
            let server = try await world.host(Identify())
            let client = try await world.host(Identify())
            let way = try #require(server.listenAddresses.first)
            let failure = try await world.perform { () async throws -> RendezvousError? in
                let connection = try await client.connect(to: way)
                do throws(RendezvousError) {
                    _ = try await Rendezvous.discover("game", on: connection)
                    return nil
                } catch {
                    return error
                }
            }
            #expect(failure?.code == .protocolNotSupported)
        }
    }

    @Test("A registration is made again 30 s before its end, and never sooner than something that failed")
    func renewals() {
        #expect(Rendezvous.renewal(of: .seconds(7_200)) == .seconds(7_170))
        #expect(Rendezvous.renewal(of: .seconds(60)) == .seconds(30))
        #expect(Rendezvous.renewal(of: .seconds(1)) == Rendezvous.pause)
    }
}

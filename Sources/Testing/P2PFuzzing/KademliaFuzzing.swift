import NIOCore
import P2PCore
import P2PIdentity
import P2PKademlia
import P2PMultiaddr

/// The hash table: messages, records, and look-ups and stores under sequences of operations.
enum KademliaFuzzing {
    // MARK: Messages

    /// What is read of a message is bounded, and what is written of that is read as the same.
    static func message(_ bytes: [UInt8]) {
        guard let message = try? KademliaMessage(reading: ByteBuffer(bytes: bytes)) else { return }
        precondition(message.key.count <= KademliaLimits.keyLength)
        precondition(message.record.map { $0.value.count <= KademliaLimits.valueSize && $0.key.count <= KademliaLimits.keyLength } ?? true)
        for list in [message.closer, message.providers] {
            precondition(list.count <= KademliaLimits.peersPerAnswer)
            for contact in list {
                precondition(contact.addresses.count <= KademliaLimits.addressesPerPeer)
                precondition(Set(contact.addresses).count == contact.addresses.count)
                precondition(contact.addresses.allSatisfy { !$0.isEmpty && ($0.peerID == nil || $0.isRelayed) })
            }
        }
        let encoded = message.encoded()
        if message.record == nil { precondition(encoded.readableBytes <= KademliaLimits.sentSize) }
        guard let again = try? KademliaMessage(reading: encoded) else { preconditionFailure("our own message is refused") }
        precondition(again.kind == message.kind && again.key == message.key && again.record == message.record)
        precondition(message.closer.map(\.peer).starts(with: again.closer.map(\.peer)))
    }

    static var messages: [[UInt8]] {
        guard let address = try? Multiaddr("/ip4/127.0.0.1/tcp/4001") else { return [] }
        var find = KademliaMessage(.findNode, key: FuzzIdentity.peer.bytes)
        find.closer = [KademliaContact(FuzzIdentity.peer, at: [address, address])]
        var get = KademliaMessage(.getValue, key: Array("/ipns/x".utf8))
        get.record = KademliaRecord(key: Array("/ipns/x".utf8), value: [1, 2, 3], timeReceived: "2026-11-29T00:00:00Z")
        get.providers = find.closer
        return [KademliaMessage(.ping), find, get].map { Array($0.encoded().readableBytesView) }
    }

    // MARK: Records

    /// A record that is accepted is one that the key has signed; of two, one is better or neither.
    static func record(_ bytes: [UInt8]) {
        let validator = IPNSValidator()
        let key = IPNSRecord.key(of: FuzzIdentity.peer)
        let half = bytes.count / 2
        let isValid = (try? validator.validate(bytes, for: key, at: 0)) != nil
        precondition(!isValid || bytes.count <= IPNSRecord.maximumSize)
        let (left, right) = (Array(bytes[..<half]), Array(bytes[half...]))
        precondition(!(validator.prefers(left, to: right, for: key) && validator.prefers(right, to: left, for: key)))
        _ = validator.end(of: bytes, for: key)
        _ = try? RecordNamespaces.publicNetwork.validator(for: bytes).validate(bytes, for: bytes, at: 0)
    }

    static var records: [[UInt8]] {
        [[0x42, 1, 1, 0x4a, 1, 0xa0], [0x4a, 8] + Array("\u{5}Value\u{1}".utf8), Array("/ipns/x".utf8), Array("/pk/x".utf8)]
    }

    // MARK: Operations

    /// A look-up whose peers answer, fail and are silent as the bytes say: it ends, asks each once, and keeps to its bounds.
    static func lookup(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        var terms = Lookup.Terms()
        terms.count = 1 + input.number(below: 8)
        terms.parallelism = 1 + input.number(below: 4)
        terms.candidates = 40
        terms.messages = 30
        let own = Self.peer(0)
        var now = NIODeadline.uptimeNanoseconds(1)
        let seeds = (0..<input.number(below: 8)).map { Lookup.Contact(Self.peer($0)) }
        var lookup = Lookup(towards: KademliaPoint(0, 0, 0, 0), from: seeds, ownPeer: own, terms: terms, point: Self.point)
        var waiting: [PeerID] = []
        var asked: Set<PeerID> = []
        for _ in 0..<400 {
            switch lookup.next(at: now) {
            case .finished:
                let nearest = lookup.nearest.map(\.peer)
                precondition(nearest.count <= terms.count && asked.isSuperset(of: nearest))
                return
            case .ask(let contacts):
                precondition(!contacts.isEmpty && contacts.count <= terms.parallelism)
                for contact in contacts {
                    precondition(contact.peer != own && asked.insert(contact.peer).inserted, "it asks itself, or somebody twice")
                    waiting.append(contact.peer)
                }
            case .wait(let until):
                precondition(!waiting.isEmpty, "it waits for nobody")
                let choice = input.isEmpty ? 1 : Int(input.byte())
                if choice % 4 == 0, let until, until < now.advanced(by: .seconds(60)) {
                    now = max(now, until)
                } else {
                    let peer = waiting.remove(at: choice % waiting.count)
                    if choice % 4 == 1 {
                        lookup.failed(peer)
                    } else {
                        let named = (0..<input.number(below: 12)).map { _ in Lookup.Contact(Self.peer(input.number(below: 64))) }
                        lookup.answered(peer, naming: named, point: Self.point)
                    }
                }
            }
            precondition(lookup.knownCount <= terms.candidates && lookup.messages <= terms.messages)
            precondition(lookup.answers + lookup.failures + waiting.count == lookup.messages)
        }
        preconditionFailure("it does not end")
    }

    /// Tables and stores under offers, removals and time: counts are what they say, bounds hold.
    static func stores(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        var now = NIODeadline.uptimeNanoseconds(1)
        let own = Self.peer(0)
        var table = RoutingTable(at: Self.point(own), bucketSize: 2, diversity: .publicNetwork)
        var providers = ProviderStore(perKey: 3, perPeer: 4, limit: 12, byteLimit: 2_600)
        var values = ValueStore(limit: 6, byteLimit: 2_000)
        while !input.isEmpty {
            let (operation, peer, key) = (input.byte(), Self.peer(input.number(below: 64)), [input.byte() % 16])
            let address = try? Multiaddr("/ip4/45.\(input.byte() % 4).1.1/tcp/1")
            switch operation % 8 {
            case 0, 1: table.offer(peer, at: address.map { [$0] } ?? [], point: Self.point(peer), now: now)
            case 2: table.remove(peer, point: Self.point(peer))
            case 3: providers.add(peer, at: [], for: key, now: now)
            case 4: providers.remove(peer, of: key)
            case 5:
                let value = [UInt8](repeating: 1, count: Int(input.byte()))
                values.put(KademliaRecord(key: key, value: value), isOwn: operation & 0x80 != 0 && values.own.count < 3, at: now)
            case 6: values.remove(key)
            default:
                now = now.advanced(by: .seconds(Int64(input.byte()) * 1_000))
                providers.expire(at: now)
                values.expire(at: now)
            }
            precondition(table.peers.count == table.count && Set(table.peers).count == table.count)
            precondition(table.bucketCounts.allSatisfy { $0 <= 2 } && !table.peers.contains(own))
            precondition(table.nearest(to: Self.point(peer), count: 100).count == table.count)
            precondition(values.count <= 6 && values.bytes <= 2_000)
            let kept = (0..<16).reduce(0) { $0 + providers.providers(of: [UInt8($1)], at: .uptimeNanoseconds(0)).count }
            precondition(kept == providers.count && providers.count <= 12 && providers.bytes <= 2_600)
            precondition(providers.providers(of: key, at: now).count <= 3 && (providers.count == 0) == (providers.bytes == 0))
        }
    }

    /// A search for providers whose witnesses and dials are as the bytes say, and a sweep whose look-ups find what they say: both end, and tell nobody anything twice.
    static func searches(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        var search = ProviderSearch()
        var told: Set<PeerID> = []
        for _ in 0..<input.number(below: 64) {
            let (provider, witness) = (Self.peer(input.number(below: 16)), Self.peer(input.number(below: 4)))
            if input.byte() % 4 == 0 {
                for contact in search.unproved(upTo: 2) { search.note(contact.peer, isThere: input.byte() % 2 == 0) }
            } else if search.add(KademliaContact(provider), namedBy: witness) != nil {
                precondition(told.insert(provider).inserted, "one is told twice")
            }
            precondition(search.met <= search.count && search.count <= told.count && search.all.count == told.count)
        }
        let keys = (0..<input.number(below: 8)).map { [UInt8($0), input.byte()] }
        var sweep = ProviderSweep(keys, replication: 1 + input.number(below: 5), point: Self.point)
        var stored: [[UInt8]: Int] = [:]
        for _ in 0..<400 {
            switch sweep.next() {
            case .finished:
                precondition(sweep.count == 0)
                return
            case .lookUp: sweep.found((0..<input.number(below: 8)).map { _ in Self.peer(input.number(below: 64)) })
            case .store(let keysOfPeers):
                for key in Set(keysOfPeers.values.joined()) {
                    stored[key, default: 0] += 1
                    precondition(stored[key] == 1, "a key is told twice")
                }
            }
        }
        preconditionFailure("the sweep does not end")
    }

    /// Sixty-four peers, and places of theirs that nobody has to hash.
    private static let peers: [PeerID] = (0..<64).compactMap { number in
        try? PeerID(bytes: [0x12, 0x20] + [UInt8](repeating: UInt8(number), count: 32))
    }
    private static let numbers = Dictionary(uniqueKeysWithValues: peers.enumerated().map { ($1, $0) })

    private static func peer(_ number: Int) -> PeerID { self.peers[number % self.peers.count] }

    private static func point(_ peer: PeerID) -> KademliaPoint {
        let number = UInt64(self.numbers[peer] ?? 0)
        return KademliaPoint(number &* 0x9e37_79b9_7f4a_7c15, 0, 0, number)
    }
}

import P2P

/// One file on its way: which blocks are missing, who is asked for which, and who is not asked again.
actor Download {
    /// Blocks that one holder is asked for at a time.
    private static let requestsPerHolder = 4
    /// Holders that are asked at a time.
    private static let mostHolders = 16
    /// How often others are looked for while it goes on.
    private static let pause = Duration.seconds(1)
    /// How long nothing comes before that is told, and told again.
    private static let silence = Duration.seconds(10)

    private let blocks: Blocks
    private let host: PeerHost
    private let dht: Kademlia
    private var missing: [Int]
    private var left: Int
    private var counts: [PeerID: Int] = [:]
    private var asking: [PeerID: Int] = [:]
    /// They have given what was not asked for.
    private var liars: Set<PeerID> = []
    private var percent = 0
    /// What ends it: what came can't be written.
    private var failure: (any Error)?

    init(_ blocks: Blocks, through host: PeerHost, _ dht: Kademlia) {
        self.blocks = blocks
        self.host = host
        self.dht = dht
        // In an order of one's own, so that those who fetch at the same time have something for each other.
        let missing = blocks.missing.shuffled()
        self.missing = missing
        self.left = missing.count
    }

    /// Fetches what is missing.
    ///
    /// - Returns: how many blocks each holder has given.
    func run() async throws -> [PeerID: Int] {
        guard let key = Manifest.key(of: self.blocks.name) else { return [:] }
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.tellOfSilence() }
            while self.left > 0 {
                try Task.checkCancellation()
                for holder in (try? await self.dht.findProviders(of: key)) ?? [] where self.begin(holder.peer) {
                    for _ in 0..<Self.requestsPerHolder { group.addTask { await self.fetch(from: holder) } }
                }
                for _ in 0..<10 where self.left > 0 && self.failure == nil { try await Task.sleep(for: Self.pause / 10) }
                if let failure { throw failure }
            }
            // Nobody is asked for anything any more.
            group.cancelAll()
            try await group.waitForAll()
            return self.counts
        }
    }

    /// Says that nothing comes, for as long as nothing does.
    private func tellOfSilence() async {
        var before = self.left
        while (try? await Task.sleep(for: Self.silence)) != nil {
            if self.left == before {
                let wrong = self.liars.isEmpty ? "" : " (holders that gave wrong ones: \(self.liars.count))"
                show("waiting: nobody has given \(self.left) of \(self.blocks.manifest.blocks.count) blocks yet\(wrong), looking on")
            }
            before = self.left
        }
    }

    /// Asks one holder for one block after the other, for as long as it gives them.
    private func fetch(from holder: KademliaContact) async {
        defer { self.end(holder.peer) }
        while self.failure == nil, let block = self.missing.popLast() {
            let bytes: [UInt8]
            do {
                bytes = try await Self.ask(BlockRequest(file: self.blocks.name, block: block), of: holder, through: self.host)
            } catch {
                self.missing.append(block)
                return
            }
            guard !bytes.isEmpty else {
                // It does not have this one: others, then.
                self.missing.insert(block, at: 0)
                return
            }
            do {
                guard try self.blocks.keep(bytes, as: block) else {
                    self.liars.insert(holder.peer)
                    self.missing.append(block)
                    return
                }
            } catch {
                self.failure = error
                return
            }
            self.arrived(from: holder.peer)
        }
    }

    private func arrived(from peer: PeerID) {
        self.left -= 1
        self.counts[peer, default: 0] += 1
        let count = self.blocks.manifest.blocks.count
        let percent = (count - self.left) * 100 / count
        guard percent / 5 > self.percent / 5 else { return }
        self.percent = percent
        show("fetching: \(percent) %, from \(self.asking.count) holders")
    }

    /// Whether it is to be asked now.
    private func begin(_ peer: PeerID) -> Bool {
        guard self.asking[peer] == nil, self.asking.count < Self.mostHolders, !self.liars.contains(peer) else { return false }
        self.asking[peer] = Self.requestsPerHolder
        return true
    }

    private func end(_ peer: PeerID) {
        let count = self.asking[peer, default: 1] - 1
        self.asking[peer] = count > 0 ? count : nil
    }

    /// Asks a holder where it is said to be, or over the connection that there is.
    static func ask(_ request: BlockRequest, of holder: KademliaContact, through host: PeerHost) async throws -> [UInt8] {
        let connection = try await host.connect(to: holder.peer, DialRequest(addresses: holder.addresses, timeout: .seconds(5)))
        return try await Wire.blocks.ask(request, on: connection)
    }
}

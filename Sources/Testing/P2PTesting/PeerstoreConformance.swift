public import P2PCore
import P2PIdentity
import P2PMultiaddr

/// What every peerstore owes the host.
public struct PeerstoreConformance: ConformanceSuite {
    /// One demand of the contract.
    public enum Case: String, CaseIterable, Sendable {
        case expiresAddresses
        case shortensNothing
        case putsTheProvedFirst
        case takesStrangeTimes
        case remembersIntroductions
        case forgetsWhatIsToldNoMore
        case saysWhenAPeerWasSeen
        case listsPeersByTouch
        case forgetsWholly
        case storesChanges
        case renewsWhatWasTold
        case keepsMetadata
        case limitsMetadata
        case servesManyTasks
        case heedsNoCancellation
    }

    /// A store, and the clock that it lives by.
    public struct Subject: Sendable {
        /// What is tested; empty.
        public let store: any Peerstore
        /// Lets so much time pass.
        public let advance: @Sendable (Duration) -> Void

        /// A store, and how its time is turned on.
        public init(store: any Peerstore, advance: @escaping @Sendable (Duration) -> Void) {
            self.store = store
            self.advance = advance
        }
    }

    /// Tasks that use the store at the same time.
    public var tasks = 50

    private let makeSubject: @Sendable () async throws -> Subject

    /// - Parameter makeSubject: makes an empty store.
    public init(_ makeSubject: @escaping @Sendable () async throws -> Subject) {
        self.makeSubject = makeSubject
    }

    /// Runs one case; throws a ``ConformanceFailure`` that says what did not hold.
    public func check(_ conformanceCase: Case) async throws {
        let subject = try await self.makeSubject()
        let store = subject.store
        let key = try PrivateKey.generate(.ed25519).publicKey
        let peer = PeerID(key)
        switch conformanceCase {
        case .expiresAddresses: try await self.expires(subject, peer)
        case .shortensNothing: try await self.shortensNothing(subject, peer)
        case .putsTheProvedFirst: try await self.putsTheProvedFirst(store, peer)
        case .takesStrangeTimes: try await self.takesStrangeTimes(store, peer)
        case .remembersIntroductions: try await self.remembersIntroductions(store, key)
        case .forgetsWhatIsToldNoMore: try await self.forgetsWhatIsToldNoMore(store, peer)
        case .saysWhenAPeerWasSeen: try await self.saysWhenAPeerWasSeen(store, peer)
        case .listsPeersByTouch: try await self.listsPeersByTouch(store)
        case .forgetsWholly: try await self.forgetsWholly(store, peer)
        case .storesChanges: try await self.storesChanges(store)
        case .renewsWhatWasTold: try await self.renewsWhatWasTold(subject, peer)
        case .keepsMetadata: try await self.keepsMetadata(store, peer)
        case .limitsMetadata: try await self.limitsMetadata(store, peer)
        case .servesManyTasks: try await self.servesManyTasks(store, peer)
        case .heedsNoCancellation: try await self.heedsNoCancellation(store, peer)
        }
    }
}

extension PeerstoreConformance {
    private func address(_ port: UInt16) -> Multiaddr { Multiaddr(ip: .loopbackV4, tcp: port) }

    private func expires(_ subject: Subject, _ peer: PeerID) async throws {
        let store = subject.store
        await store.add([self.address(1).withPeerID(peer)], of: peer, source: .discovery, timeToLive: .seconds(60))
        await store.add([self.address(2)], of: peer, source: .connected, timeToLive: .seconds(120))
        subject.advance(.seconds(59))
        try demand(
            await store.addresses(of: peer), is: [self.address(2), self.address(1)], "the addresses, without /p2p, before they expire")
        subject.advance(.seconds(1))
        try demand(await store.addresses(of: peer), is: [self.address(2)], "the addresses after one has expired")
        try demand(await store.peers(), is: [peer], "the peers while one address is left")
        subject.advance(.seconds(60))
        try demand(await store.addresses(of: peer), is: [], "the addresses after all have expired")
        try demand(await store.peers(), is: [], "the peers without addresses")
    }

    private func shortensNothing(_ subject: Subject, _ peer: PeerID) async throws {
        await subject.store.add([self.address(1)], of: peer, source: .identify, timeToLive: .seconds(60))
        await subject.store.add([self.address(1)], of: peer, source: .connected, timeToLive: .seconds(1))
        subject.advance(.seconds(59))
        try demand(await subject.store.addresses(of: peer), is: [self.address(1)], "an address that was added again with a shorter time")
        await subject.store.add([self.address(1)], of: peer, source: .identify, timeToLive: .seconds(60))
        subject.advance(.seconds(59))
        try demand(await subject.store.addresses(of: peer), is: [self.address(1)], "an address that was prolonged")
    }

    private func putsTheProvedFirst(_ store: any Peerstore, _ peer: PeerID) async throws {
        let sources: [AddressSource] = [.identify, .discovery, .certified, .given, .connected]
        for (port, source) in zip(UInt16(1)..., sources) {
            await store.add([self.address(port)], of: peer, source: source, timeToLive: .seconds(60))
        }
        try demand(await store.addresses(of: peer), is: (1...5).reversed().map { self.address($0) }, "the order of the addresses")
        await store.add([self.address(1)], of: peer, source: .connected, timeToLive: .seconds(60))
        try demand(await store.addresses(of: peer).prefix(2).contains(self.address(1)), "an address that was proved later stays behind")
        await store.add([self.address(5)], of: peer, source: .identify, timeToLive: .seconds(60))
        try demand(await store.addresses(of: peer).prefix(2).contains(self.address(5)), "an address that was merely said again falls back")
    }

    private func takesStrangeTimes(_ store: any Peerstore, _ peer: PeerID) async throws {
        for timeToLive in [Duration.seconds(-1), .zero, .seconds(Int64.min / 2)] {
            await store.add([self.address(1)], of: peer, source: .given, timeToLive: timeToLive)
            try demand(await store.addresses(of: peer), is: [], "addresses that live for \(timeToLive)")
        }
        await store.add([self.address(1)], of: peer, source: .given, timeToLive: .seconds(Int64.max / 2))
        try demand(await store.addresses(of: peer), is: [self.address(1)], "addresses that live for ever")
    }

    private func remembersIntroductions(_ store: any Peerstore, _ key: PublicKey) async throws {
        let peer = PeerID(key)
        try demand(await store.introduction(of: peer), is: nil, "the introduction of a stranger")
        var introduction = Introduction(
            publicKey: key, listenAddresses: [self.address(2), self.address(1)], protocols: ["/b/1", "/a/1"], protocolVersion: "version",
            agentVersion: "agent \u{1F980}")
        await store.remember(introduction, of: peer)
        try demand(await store.introduction(of: peer), is: introduction, "the introduction")
        try demand(await store.addresses(of: peer), is: [], "addresses that were never added")
        introduction = Introduction(agentVersion: "another")
        await store.remember(introduction, of: peer)
        try demand(await store.introduction(of: peer), is: introduction, "the second introduction, which replaces the first")
    }

    private func forgetsWhatIsToldNoMore(_ store: any Peerstore, _ peer: PeerID) async throws {
        for (port, source) in zip(UInt16(1)..., [AddressSource.connected, .given, .certified, .discovery, .identify]) {
            await store.add([self.address(port), self.address(port + 10)], of: peer, source: source, timeToLive: .seconds(60))
        }
        await store.remember(Introduction(listenAddresses: [self.address(3).withPeerID(peer), self.address(5)]), of: peer)
        let left = Set([1, 11, 2, 12, 3, 4, 14, 5].map { self.address($0) })
        try demand(Set(await store.addresses(of: peer)), is: left, "the addresses once the peer tells fewer")
    }

    private func saysWhenAPeerWasSeen(_ store: any Peerstore, _ peer: PeerID) async throws {
        await store.add([self.address(1)], of: peer, source: .discovery, timeToLive: .seconds(60))
        try demand(await store.lastSeen(of: peer), is: nil, "when a peer was seen that was never connected")
        await store.saw(peer)
        try demand(await store.lastSeen(of: peer) ?? 0 > 1_600_000_000, "it is not known when the peer was last seen")
    }

    private func listsPeersByTouch(_ store: any Peerstore) async throws {
        let peers = try (0..<3).map { _ in PeerID(try PrivateKey.generate(.ed25519).publicKey) }
        for peer in peers { await store.add([self.address(1)], of: peer, source: .given, timeToLive: .seconds(60)) }
        try demand(await store.peers(), is: peers.reversed(), "the peers in the order in which they were touched")
        await store.saw(peers[0])
        try demand(await store.peers(), is: [peers[0], peers[2], peers[1]], "the peers after the first was seen")
    }

    private func forgetsWholly(_ store: any Peerstore, _ peer: PeerID) async throws {
        await store.add([self.address(1)], of: peer, source: .given, timeToLive: .seconds(60))
        await store.remember(Introduction(agentVersion: "agent"), of: peer)
        await store.saw(peer)
        try await store.setMetadata([1], named: "note", of: peer)
        await store.forget(peer)
        await store.forget(peer)
        try demand(await store.addresses(of: peer), is: [], "the addresses")
        try demand(await store.introduction(of: peer), is: nil, "the introduction")
        try demand(await store.lastSeen(of: peer), is: nil, "when it was seen")
        try demand(await store.metadata(named: "note", of: peer), is: nil, "the metadata")
        try demand(await store.peers(), is: [], "the peers")
    }
}

extension PeerstoreConformance {
    private func storesChanges(_ store: any Peerstore) async throws {
        let keys = try (0..<20).map { _ in try PrivateKey.generate(.ed25519).publicKey }
        let changes = keys.enumerated().map { number, key in
            var change = PeerChange(of: PeerID(key))
            change.isSeen = number % 2 == 0
            change.introduction = Introduction(publicKey: key, listenAddresses: [self.address(2)], agentVersion: "agent \(number)")
            change.add(KnownAddress(self.address(2), source: .identify), timeToLive: .seconds(60))
            change.add(KnownAddress(self.address(1), source: .connected), timeToLive: .seconds(60))
            return change
        }
        await store.apply(changes)
        for (number, key) in keys.enumerated() {
            let peer = PeerID(key)
            try demand(await store.addresses(of: peer), is: [self.address(1), self.address(2)], "the addresses of peer \(number)")
            try demand(await store.introduction(of: peer), is: changes[number].introduction, "the introduction of peer \(number)")
            try demand(await store.lastSeen(of: peer) != nil, is: number % 2 == 0, "whether peer \(number) was seen")
        }
        try demand(await store.peers(), is: keys.reversed().map { PeerID($0) }, "the peers in the order in which they were changed")
        var nothing = PeerChange(of: PeerID(try PrivateKey.generate(.ed25519).publicKey))
        nothing.renewal = .seconds(60)
        await store.apply([nothing, PeerChange(of: nothing.peer)])
        try demand(await store.introduction(of: nothing.peer), is: nil, "what is known of a peer of whom nothing was learnt")
    }

    private func renewsWhatWasTold(_ subject: Subject, _ peer: PeerID) async throws {
        let store = subject.store
        var told = PeerChange(of: peer)
        told.introduction = Introduction(listenAddresses: [self.address(1), self.address(2)])
        for port in UInt16(1)...2 { told.add(KnownAddress(self.address(port), source: .identify), timeToLive: .seconds(60)) }
        await store.apply([told])
        await store.add([self.address(3)], of: peer, source: .discovery, timeToLive: .seconds(60))
        subject.advance(.seconds(61))
        // Whoever adds something may sweep out what has expired.
        await store.add([self.address(4)], of: peer, source: .discovery, timeToLive: .seconds(10))
        var renewal = PeerChange(of: peer)
        renewal.renewal = .seconds(60)
        await store.apply([renewal])
        subject.advance(.seconds(59))
        try demand(Set(await store.addresses(of: peer)), is: [self.address(1), self.address(2)], "what the peer told, renewed")
        subject.advance(.seconds(1))
        try demand(await store.addresses(of: peer), is: [], "what the peer told, after its time")
    }
}

extension PeerstoreConformance {
    private func keepsMetadata(_ store: any Peerstore, _ peer: PeerID) async throws {
        try demand(await store.metadata(named: "note", of: peer), is: nil, "metadata that were never kept")
        try await store.setMetadata([1, 2], named: "note", of: peer)
        try await store.setMetadata([], named: "", of: peer)
        try demand(await store.metadata(named: "note", of: peer), is: [1, 2], "the metadata")
        try demand(await store.metadata(named: "", of: peer), is: [], "empty metadata under an empty name")
        try await store.setMetadata([3], named: "note", of: peer)
        try demand(await store.metadata(named: "note", of: peer), is: [3], "metadata that were replaced")
        try await store.setMetadata(nil, named: "note", of: peer)
        try demand(await store.metadata(named: "note", of: peer), is: nil, "metadata that were removed")
    }

    private func limitsMetadata(_ store: any Peerstore, _ peer: PeerID) async throws {
        try await store.setMetadata([UInt8](repeating: 7, count: 1_000), named: "0", of: peer)
        try await demandError(PeerstoreError.self, [.tooLarge], "a mebibyte of metadata") {
            try await store.setMetadata([UInt8](repeating: 0, count: 1_048_576), named: "0", of: peer)
        }
        try demand(await store.metadata(named: "0", of: peer)?.count, is: 1_000, "what was there before")
        try await demandError(PeerstoreError.self, [.tooLarge], "10,000 entries of metadata") {
            for number in 1..<10_000 { try await store.setMetadata([1], named: "\(number)", of: peer) }
        }
        try await store.setMetadata([2], named: "1", of: peer)
        try demand(await store.metadata(named: "1", of: peer), is: [2], "an entry that was replaced at the limit")
    }

    private func servesManyTasks(_ store: any Peerstore, _ peer: PeerID) async throws {
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<self.tasks {
                group.addTask {
                    await store.add([self.address(UInt16(number % 8 + 1))], of: peer, source: .identify, timeToLive: .seconds(60))
                    _ = await store.addresses(of: peer)
                    await store.saw(peer)
                    try? await store.setMetadata([UInt8(truncatingIfNeeded: number)], named: "\(number % 8)", of: peer)
                    _ = await store.peers()
                }
            }
        }
        try demand(Set(await store.addresses(of: peer)), is: Set((1...8).map { self.address($0) }), "the addresses of all tasks")
        for number in 0..<8 { try demand(await store.metadata(named: "\(number)", of: peer) != nil, "metadata \(number) are lost") }
    }

    private func heedsNoCancellation(_ store: any Peerstore, _ peer: PeerID) async throws {
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            await store.add([self.address(1)], of: peer, source: .given, timeToLive: .seconds(60))
            await store.saw(peer)
        }
        task.cancel()
        await task.value
        try demand(await store.addresses(of: peer), is: [self.address(1)], "what a cancelled task wanted to be kept")
        try demand(await store.lastSeen(of: peer) != nil, "what a cancelled task saw is not kept")
    }
}

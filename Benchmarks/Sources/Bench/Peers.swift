import ArgumentParser
import P2P

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

struct Peers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "peerstore", abstract: "Store peers in a file as a host does, and list them as `p2p peers` does.")

    /// Peers that a host writes at once.
    private static let batch = 256

    @Option(help: "Peers; the file keeps 10,000.") var count = 10_000

    func run() async throws { try await self.measure() }

    func measure() async throws {
        let folder = "/tmp/p2p-bench-\(getpid())"
        guard mkdir(folder, 0o700) == 0 else { throw ValidationError("\(folder) can't be made") }
        let path = folder + "/peers.sqlite"
        defer {
            for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) }
            rmdir(folder)
        }
        let peers = try (0..<self.count).map { _ in try PeerID(PrivateKey.generate(.ed25519).publicKey) }
        let store = try SQLitePeerstore(path: path)
        defer { store.close() }
        for what in ["peers that are new", "peers that are known"] {
            let (start, processor) = (ContinuousClock.now, processorSeconds())
            for first in stride(from: 0, to: peers.count, by: Self.batch) {
                await store.apply(peers[first..<min(first + Self.batch, peers.count)].map(Self.change))
            }
            let seconds = (ContinuousClock.now - start).seconds
            let busy = processorSeconds() - processor
            report("peerstore, \(what)", Double(peers.count) / seconds, "/s", "in batches of \(Self.batch), 4 addresses each")
            report("peerstore, CPU for \(what)", busy * 1_000 / Double(peers.count), "ms each")
        }
        let (start, processor) = (ContinuousClock.now, processorSeconds())
        let listed = try await store.contents(isVerified: false)
        let characters = listed.reduce(0) { sum, stored in
            sum + stored.peer.description.utf8.count + stored.addresses.reduce(0) { $0 + $1.address.description.utf8.count }
        }
        report(
            "peerstore, \(listed.count) peers listed", (ContinuousClock.now - start).seconds * 1_000, "ms",
            "\(Int((processorSeconds() - processor) * 1_000)) ms CPU, \(characters / 1_024) KiB of names and addresses")
    }

    /// What a host learns of a visitor: a connection, an introduction, addresses.
    private static func change(_ peer: PeerID) -> PeerChange {
        var change = PeerChange(of: peer)
        let addresses = (1...4).map { Multiaddr(ip: IPAddress(v4: 0x0102_0304), tcp: $0) }
        change.isSeen = true
        change.introduction = Introduction(
            listenAddresses: addresses, protocols: (0..<12).map { ProtocolID("/protocol/\($0)/1.0.0") }, protocolVersion: "ipfs/0.1.0",
            agentVersion: "agent/1")
        change.origin = .internet
        for address in addresses {
            change.add(KnownAddress(address, source: .certified, origin: .internet), timeToLive: .seconds(3_600))
        }
        return change
    }
}

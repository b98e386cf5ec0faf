import ArgumentParser
import Foundation
import P2P

/// A member of the network, as its options say.
struct Node: ParsableArguments {
    @Option(help: "A member of the network to begin with, as it prints it; may be repeated.")
    var bootstrap: [Multiaddr] = []

    @Option(help: "Where to listen.")
    var listen: Multiaddr = "/ip4/0.0.0.0/tcp/0"

    /// Runs it for as long as `body` does.
    func run(_ body: @escaping @Sendable (PeerHost, Kademlia) async throws -> Void) async throws {
        var configuration = KademliaConfiguration(Wire.network, mode: .server)
        configuration.bootstrap = self.bootstrap
        let dht = Kademlia(configuration)
        let host = try await PeerHost.standard(modules: .standard.adding(dht))
        // Before it runs, and enters the network: what it dials leaves from where it listens then.
        for address in try await host.listen(on: self.listen) { show("you are at \(address)") }
        try await host.running { host in
            try await body(host, dht)
        }
    }

    /// Gives blocks to whoever asks, and tells the network who has them. Returns once somebody has taken note.
    static func offer(_ blocks: Blocks, on host: PeerHost, _ dht: Kademlia) async throws {
        // All blocks of the file: what others look for is told region by region, whatever their number (Specs/Kademlia.md, "Providers").
        let keys = ([blocks.name] + blocks.manifest.blocks).compactMap(Manifest.key)
        while true {
            do throws(KademliaError) {
                let told = try await dht.provide(all: keys)
                show("told: \(told.stored) keys with \(told.lookups) look-ups")
                return
            } catch {
                // Nobody is there yet: whoever comes first asks this node, which answers from now on.
                show("nobody to tell yet")
                try await Task.sleep(for: .seconds(5))
            }
        }
    }

    static func stay() async throws {
        while !Task.isCancelled { try await Task.sleep(for: .seconds(3_600)) }
    }
}

/// Prints a line at once, into a pipe, too.
func show(_ line: String) {
    FileHandle.standardOutput.write(Data("\(line)\n".utf8))
}

extension Multiaddr: @retroactive ExpressibleByArgument {
    /// An address as it is typed.
    public init?(argument: String) {
        guard let address = try? Multiaddr(argument) else { return nil }
        self = address
    }
}

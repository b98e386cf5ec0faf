import ArgumentParser
import Foundation
import P2P
import P2PHTTP

/// The command line.
@main
struct Replicate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Databases that stay the same on several nodes, and that clients of CouchDB use.", subcommands: [Name.self, Run.self])
}

/// Tells the name that others must allow.
struct Name: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print this node's name, which others allow.")

    @Option(help: "The key file; it is made if it is missing.")
    var key: String

    func run() throws { show("\(PeerID(try node(self.key).publicKey))") }
}

/// Serves, and replicates.
struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Serve the databases of a folder, and keep some the same as others'.")

    @Option(help: "Where the databases are.")
    var folder: String = "databases"

    @Option(help: "A key file, made if it is missing: it is this node's name.")
    var key: String = "node.key"

    @Option(help: "Where peers connect to; a relay's address with /p2p-circuit is one, too. May be repeated.")
    var listen: [Multiaddr] = []

    @Option(help: "Where programs of this machine find the databases: http://127.0.0.1:PORT.")
    var port: UInt16 = 5_984

    @Option(help: "A peer that may read and write all databases. May be repeated.")
    var allow: [String] = []

    @Option(name: .customLong("with"), help: "A peer's address: its databases and these stay the same. It is allowed. May be repeated.")
    var companions: [Multiaddr] = []

    @Option(
        help: "A peer to stay connected with: two of them, a relay included, tell a node behind a router where it is seen. May be repeated."
    )
    var bootstrap: [Multiaddr] = []

    @Option(help: "A database that is replicated. May be repeated.")
    var database: [String] = ["notes"]

    @Option(help: "Bytes of the documents of one database.")
    var capacity: Int = 256 * 1_024 * 1_024

    func validate() throws {
        for name in self.database where !Store.isName(name) { throw ValidationError("\(name) is no name of a database") }
        for address in self.companions + self.bootstrap where address.peerID == nil {
            throw ValidationError("\(address) does not end in /p2p/NAME")
        }
    }

    func run() async throws {
        let store = try Store(URL(filePath: self.folder, directoryHint: .isDirectory), capacity: self.capacity)
        let server = CouchServer(store: store)
        // Behind a router, a relay leads others here, and a direct way is looked for.
        let host = try await PeerHost.standard(identity: try node(self.key), modules: .standard.adding(RelayClient(), HolePunching()))
        var limits = HTTPLimits()
        limits.exchangesPerPeer = 64
        let guests = Set(try self.allow.map { try PeerID(string: $0) } + self.companions.compactMap(\.peerID))
        try host.serve(HTTPService(CouchResponder(server: server, guests: guests), limits: limits))
        let port = try await HTTPLocalPort.bind(
            .ip(host: "127.0.0.1", port: self.port), CouchResponder(server: server, guests: [host.peerID]), as: host.peerID, limits: limits)
        show("http://\(port.endpoint)")
        try await host.running { host in
            let events = host.events()
            for address in self.listen { _ = try await host.listen(on: address) }
            for address in self.bootstrap {
                if let peer = address.peerID { try host.keepConnected(peer, at: [address]) }
            }
            await withDiscardingTaskGroup { group in
                group.addTask {
                    // A relay gives its address later.
                    for await event in events {
                        if case .listening(let address) = event { show("swift run Replicate run --with \(address)") }
                    }
                }
                group.addTask { await port.run() }
                for address in self.companions {
                    group.addTask { await Companion(address: address, databases: self.database, server: server, host: host).run() }
                }
            }
        }
    }
}

extension Multiaddr: @retroactive ExpressibleByArgument {
    /// An address as it is typed.
    public init?(argument: String) {
        guard let address = try? Multiaddr(argument) else { return nil }
        self = address
    }
}

/// A node's key out of a file.
func node(_ file: String) throws -> PrivateKey {
    if FileManager.default.fileExists(atPath: file) { return try KeyFile.read(file) }
    let made = try PrivateKey.generate(.ed25519)
    try KeyFile.write(made, to: file)
    return made
}

/// Prints a line at once, into a pipe, too.
func show(_ line: String) { FileHandle.standardOutput.write(Data("\(line)\n".utf8)) }

/// What a peer sent, without anything that could steer the terminal.
func printable(_ text: String) -> String {
    let characters = text.unicodeScalars.lazy.map { scalar -> Character in
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: "?"
        default: Character(scalar)
        }
    }
    return String(characters.prefix(500))
}

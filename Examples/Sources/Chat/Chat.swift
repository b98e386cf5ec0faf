import ArgumentParser
import P2P

/// The command line: finds the others on the local network, and sends them what is typed.
@main
struct Chat: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Chat with everybody on the local network. No server, no accounts.")

    @Option(help: "The name that others see.")
    var name: String

    @Option(help: "Look on this network interface only, such as lo; may be repeated.")
    var interface: [String] = []

    @Option(help: "Where to listen.")
    var listen: Multiaddr = "/ip4/0.0.0.0/tcp/0"

    func validate() throws {
        guard (1...Room.longestName).contains(self.name.utf8.count) else {
            throw ValidationError("a name has 1 to \(Room.longestName) bytes")
        }
    }

    func run() async throws {
        let room = Room(name: self.name)
        let mdns = MDNS(MDNSConfiguration(interfaces: Set(self.interface)))
        let host = try await PeerHost.standard(modules: .standard.adding(mdns, room))
        try await host.running { host in
            for address in try await host.listen(on: self.listen) { Terminal.show("* you are at \(address)") }
            Terminal.show("* waiting for others; Ctrl-D leaves")
            while let line = await Terminal.line() {
                guard line.utf8.count <= Room.longestLine else {
                    Terminal.show("* not sent: a line has at most \(Room.longestLine) bytes")
                    continue
                }
                if !line.isEmpty { room.send(line) }
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

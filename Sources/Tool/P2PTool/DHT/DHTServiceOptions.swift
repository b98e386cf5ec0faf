import ArgumentParser
import P2P
import P2PCore
import P2PMultiaddr

/// A daemon's part in a distributed hash table.
struct DHTServiceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            Be a member of a distributed hash table: as a server that answers others, as a client that asks, or auto, which serves while others can \
            reach this node. Peers of --bootstrap are the way in. (default: none)
            """, valueName: "mode"))
    var dht: DHTMode?

    @Option(
        help: ArgumentHelp(
            """
            The protocol by which the members of --dht know each other. With each of them addresses of local networks count as well as \
            those of the internet. (default: \(DHTOptions.defaultProtocol))
            """, valueName: "id"))
    var dhtProtocol: String?

    @Option(
        help: ArgumentHelp(
            """
            Take values of this namespace, too: any bytes, of which the greater ones, byte by byte, take the place of others under the same key, so it \
            is for members that trust each other; repeat it for several. (default: pk and ipns, which are checked)
            """, valueName: "name"))
    var dhtNamespace: [String] = []

    func validate() throws {
        if self.dht == nil, self.dhtProtocol != nil { throw ValidationError("--dht-protocol needs --dht.") }
        if self.dht == nil, !self.dhtNamespace.isEmpty { throw ValidationError("--dht-namespace needs --dht.") }
        try DHTOptions.check(protocolID: self.dhtProtocol)
        try DHTOptions.check(namespaces: self.dhtNamespace)
    }

    /// Where the table is kept, if there is to be one, and a place for it.
    func archive(in directory: DataDirectory?) throws -> SQLiteKademlia? {
        guard self.dht != nil, let directory else { return nil }
        return try directory.hashTable(of: ProtocolID(self.dhtProtocol ?? DHTOptions.defaultProtocol))
    }

    /// The table, if there is to be one.
    func module(bootstrap: [Multiaddr], archive: SQLiteKademlia?) -> Kademlia? {
        self.dht.map { mode in
            var configuration = DHTOptions.configuration(
                protocolID: self.dhtProtocol, namespaces: self.dhtNamespace, mode: mode.mode, bootstrap: bootstrap)
            if let archive {
                configuration.keystore = archive
                configuration.archive = archive
            }
            return Kademlia(configuration)
        }
    }
}

/// Whether a daemon answers others, as the command line names it.
enum DHTMode: String, ExpressibleByArgument, CaseIterable {
    case auto
    case client
    case server

    var mode: KademliaMode {
        switch self {
        case .auto: .automatic
        case .client: .client
        case .server: .server
        }
    }
}

import P2P

let host = try await PeerHost.standard()
try host.serve("/greeter/1.0.0") { stream, connection in
    try await stream.write(text: "Hello, your key is proved: \(connection.remotePeer)")
}
try await host.running { host in
    if let address = CommandLine.arguments.dropFirst().first {
        let stream = try await host.connect(to: Multiaddr(address)).openStream("/greeter/1.0.0")
        print(try await stream.readText(upTo: 1_024))
    } else {
        print("swift run Greeter", try await host.listen(on: "/ip4/127.0.0.1/tcp/0")[0])
        try await Task.sleep(for: .seconds(3_600))
    }
}

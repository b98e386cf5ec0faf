// swift-tools-version: 6.2
import PackageDescription

let p2p = Target.Dependency.product(name: "P2P", package: "swift-p2p")
let p2pWebSocketListener = Target.Dependency.product(name: "P2PWebSocketListener", package: "swift-p2p")
let p2pHTTP = Target.Dependency.product(name: "P2PHTTP", package: "swift-p2p")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let nio = Target.Dependency.product(name: "NIOCore", package: "swift-nio")

let package = Package(
    name: "swift-p2p-examples",
    platforms: [.macOS(.v15)],
    dependencies: [
        // In a package of your own: .package(url: "https://github.com/swift-p2p/swift-p2p", branch: "main")
        // These need neither TLS nor swift-service-lifecycle, which are on by default.
        .package(name: "swift-p2p", path: "..", traits: []),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    ],
    targets: [
        .executableTarget(name: "Greeter", dependencies: [p2p]),
        .executableTarget(name: "Chat", dependencies: [p2p, argumentParser]),
        .executableTarget(name: "SendFile", dependencies: [p2p, argumentParser, crypto]),
        .executableTarget(name: "Swarm", dependencies: [p2p, argumentParser, crypto]),
        .executableTarget(name: "WebEcho", dependencies: [p2p, p2pWebSocketListener, argumentParser]),
        .executableTarget(name: "Replicate", dependencies: [p2p, p2pHTTP, argumentParser, crypto, httpTypes, nio]),
    ]
)

// swift-tools-version: 6.2
import PackageDescription

let p2p = Target.Dependency.product(name: "P2P", package: "swift-p2p")
let p2pHTTP = Target.Dependency.product(name: "P2PHTTP", package: "swift-p2p")
let p2pHTTP2 = Target.Dependency.product(name: "P2PHTTP2", package: "swift-p2p")
let contracts = Target.Dependency.product(name: "P2PContracts", package: "swift-p2p")

let package = Package(
    name: "swift-p2p-servers",
    platforms: [.macOS(.v15)],
    dependencies: [
        // In a package of your own: .package(url: "https://github.com/swift-p2p/swift-p2p", branch: "main")
        .package(name: "swift-p2p", path: "../..", traits: []),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
        .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.0"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    ],
    targets: [
        .executableTarget(
            name: "Guestbook",
            dependencies: [
                p2p, p2pHTTP, p2pHTTP2, .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"), .product(name: "NIOCore", package: "swift-nio"),
            ]),
        .executableTarget(
            name: "Calls",
            dependencies: [
                p2p, contracts, .product(name: "GRPCCore", package: "grpc-swift-2"),
                .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport"),
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
            ]),
    ]
)

@echo off
rem Runs Gatun's command line on the Java beside it. GATUN_JAVA_OPTS adds JVM options.
setlocal
set "home=%~dp0.."
"%home%\runtime\bin\java.exe" -XX:+UseSerialGC "-XX:AOTCache=%home%\lib\start.aot" -Xlog:disable "-Xlog:all=warning,cds*=off,aot*=off:stderr" %GATUN_JAVA_OPTS% -jar "%home%\lib\gatun.jar" %*
exit /b %errorlevel%
